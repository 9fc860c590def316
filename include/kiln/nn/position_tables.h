// What position embeddings that are not learned consist of: sinusoids, rotations, slopes.
#pragma once

#include "kiln/nn/model_config.h"
#include "kiln/tensor/view.h"

#include <cstddef>
#include <vector>

namespace kiln {

/// Tables that tell positions apart, made once for a model; those that its kind does not use are empty.
template <class T>
struct PositionTables {
  explicit PositionTables(const ModelConfig& config);

  /// What the tables of a validated config take, which no parameter's size bears out.
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
