// Bundles the inputs that all layers read in a forward and its backward.
#pragma once

#include "kiln/kernels/dropout.h"
#include "kiln/nn/position_tables.h"
#include "kiln/nn/token_rows.h"
#include "kiln/tensor/parameters.h"

namespace kiln {

template <class T>
struct ForwardContext {
  const ParameterBuffer<T>& weights;
  const PositionTables<T>& tables;
  const TokenRows& rows;
  const StepContext& step;
};

/// Cached keys and values of one layer. Slot s holds those of one sequence in rows [s*slot_size, (s+1)*slot_size).
template <class T>
struct KeyValues {
  Mat<T> keys, values;  // (slots*slot_size, K*D)
  Index slot_size;      // positions
};

/// Places in a block where dropout acts.
enum class DropoutPlace { attention_weights, attention_branch, mlp_branch, count };

/// Returns the number of a place in a layer's block, unique in the model, so that no two places share a mask. 0 is the
/// embedding's.
constexpr std::uint64_t dropout_site(Index layer, DropoutPlace place) {
  return static_cast<std::uint64_t>(layer * static_cast<Index>(DropoutPlace::count) + static_cast<Index>(place) + 1);
}

}  // namespace kiln
