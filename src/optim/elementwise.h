// Runs element-wise updates in one pass over weights, gradients and state.
#pragma once

#include "kiln/core/threads.h"
#include "kiln/optim/optimizer_config.h"
#include "kiln/tensor/chunks.h"

#include <vector>

namespace kiln {

/// A chunk of a parameter and the parameter's weight decay.
struct DecayedChunk : Chunk {
  float weight_decay;
};
using Chunks = std::vector<DecayedChunk>;

/// Returns a parameter's weight decay: 0 for vectors, and for embeddings unless the config decays them.
double weight_decay_of(const OptimizerConfig& config, const Parameter& parameter);

/// Cuts the layout's parameters into chunks. Threads share out chunks, so the thread count changes no bit of a result.
Chunks make_chunks(const OptimizerConfig& config, const ParameterLayout& layout);

/// Calls formula(weight_decay, g, w, state...) for each element: g is the scaled gradient; w and state are references.
/// The formula is inlined; without branches, the loop is vectorised.
template <class Formula, class... State>
void update_chunk(Formula formula, const DecayedChunk& chunk, float gradient_scale, const float* __restrict gradients,
                  float* __restrict weights, State* __restrict... state) {
  const float weight_decay = chunk.weight_decay;
  for (Index i = 0; i < chunk.count; ++i) {
    formula(weight_decay, gradient_scale * gradients[i], weights[i], state[i]...);
  }
}

/// Calls update_chunk on every chunk, on all threads; `state` are the optimizer's ParameterBuffer<float>. Then updates
/// the rounded copy of the weights.
template <class Formula, class... Buffer>
void update_elements(const Chunks& chunks, double gradient_scale, const ParameterBuffer<float>& gradients,
                     Weights weights, Formula formula, Buffer&... state) {
  parallel_each(static_cast<Index>(chunks.size()), [&](Index i) {
    const DecayedChunk& chunk = chunks[static_cast<std::size_t>(i)];
    update_chunk(formula, chunk, static_cast<float>(gradient_scale), elements(gradients, chunk),
                 elements(weights.masters(), chunk), elements(state, chunk)...);
    weights.round(chunk.id, chunk.begin, chunk.count);
  });
}

}  // namespace kiln
