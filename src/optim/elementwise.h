// Runs element-wise updates in one pass over weights, gradients and state.
#pragma once

#include "kiln/core/threads.h"
#include "kiln/optim/optimizer_config.h"
#include "kiln/tensor/parameters.h"

#include <vector>

namespace kiln {

/// A range of elements of one parameter.
struct Chunk {
  ParameterId id;
  Index begin;  // in the parameter
  Index count;
  float weight_decay;  // the parameter's
};
using Chunks = std::vector<Chunk>;

/// Returns a parameter's weight decay: 0 for vectors, and for embeddings unless the config decays them.
double weight_decay_of(const OptimizerConfig& config, const Parameter& parameter);

/// Splits the layout's parameters into chunks that depend only on the layout. Threads share out chunks, so the thread
/// count changes no bit of a result.
Chunks make_chunks(const OptimizerConfig& config, const ParameterLayout& layout);

/// Returns a chunk's elements in a buffer that has its parameter.
inline float* elements(ParameterBuffer<float>& buffer, const Chunk& chunk) {
  return buffer.vec(chunk.id).data() + chunk.begin;
}
inline const float* elements(const ParameterBuffer<float>& buffer, const Chunk& chunk) {
  return buffer.vec(chunk.id).data() + chunk.begin;
}

/// Calls formula(weight_decay, g, w, state...) for each element: g is the scaled gradient; w and state are references.
/// The formula is inlined; without branches, the loop is vectorised.
template <class Formula, class... State>
void update_chunk(Formula formula, const Chunk& chunk, float gradient_scale, const float* __restrict gradients,
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
    const Chunk& chunk = chunks[static_cast<std::size_t>(i)];
    update_chunk(formula, chunk, static_cast<float>(gradient_scale), elements(gradients, chunk),
                 elements(weights.masters(), chunk), elements(state, chunk)...);
    weights.round(chunk.id, chunk.begin, chunk.count);
  });
}

}  // namespace kiln
