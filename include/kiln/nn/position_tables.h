// Computes the tables of position encodings that are not learned: sinusoids, rotations, slopes.
#pragma once

#include "kiln/nn/model_config.h"
#include "kiln/tensor/view.h"

#include <cstddef>
#include <vector>

namespace kiln {

/// Tables of a model's position encoding, computed once. Those that its kind does not use are empty.
template <class T>
struct PositionTables {
  explicit PositionTables(const ModelConfig& config);

  /// Returns the bytes of a valid config's tables, which the parameters do not include.
  static std::size_t bytes(const ModelConfig& config);

  Index d_model, d_head;
  std::vector<T> sinusoids;       // (n_ctx, C)
  std::vector<Acc<T>> rotations;  // (n_ctx, D): rope_table
  std::vector<Acc<T>> slopes;     // (H): alibi_slopes

  ConstMat<T> sinusoid_table() const;
  ConstMat<Acc<T>> rotation_table() const;
  ConstVec<Acc<T>> slope_vector() const { return {slopes.data(), static_cast<Index>(slopes.size())}; }
};

}  // namespace kiln
