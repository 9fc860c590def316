// Bundles the inputs that all layers read in a forward and its backward.
#pragma once

#include "kiln/kernels/dropout.h"
#include "kiln/nn/position_tables.h"
#include "kiln/nn/token_rows.h"
#include "kiln/tensor/parameters.h"

namespace kiln {

/// Scratch that all adapters of a model share, for the rows of the largest forward.
template <class T>
struct AdapterScratch {
  Mat<T> low = no_mat<T>(), d_low = no_mat<T>();  // (N, G R) of the widest adapter; d_low for a backward
  Mat<T> dropped = no_mat<T>();                   // (N, in) of the widest, for a backward with dropout
};

template <class T>
struct ForwardContext {
  const ParameterBuffer<T>& weights;
  const PositionTables<T>& tables;
  const TokenRows& rows;
  const StepContext& step;
  const AdapterScratch<T>& adapters;
  Arrivals* arrivals = nullptr;  // of weights that are not there yet; the backward finds all
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
