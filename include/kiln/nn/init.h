// Draws the initial weights.
#pragma once

#include "kiln/nn/model_config.h"
#include "kiln/tensor/parameters.h"

#include <cstdint>

namespace kiln {

/// Fills the buffer with initial weights: gains 1, biases 0, matrices drawn by the scheme. Each tensor draws from the
/// stream "init/<name>" of the seed, each element at its own position, so that the values depend neither on the thread
/// count nor on other tensors. A is float, bfloat16 or double.
///
/// N(0, s) has standard deviation s. gpt2: N(0, std), residual projections std / sqrt(2 n_layers). normal: N(0, std).
/// xavier: U(-a, a), a = sqrt(6 / (in + out)) (Glorot and Bengio 2010). kaiming: N(0, sqrt(2 / in))
/// (arXiv:1502.01852). uniform: U(-std, std). zero: 0. Embeddings have no fan-in: xavier and kaiming draw them from
/// N(0, std). Adapters: A from U(-1 / sqrt(in), 1 / sqrt(in)), B 0 (as PEFT does). A reward model's head: N(0, 1 /
/// sqrt(C + 1)) (arXiv:2009.01325), unless the scheme is zero.
template <class A>
void initialise(const ModelConfig& config, std::uint64_t seed, ParameterBuffer<A>& weights);

/// Draws what is added to a base model, with the values that initialise draws: adapters, and a reward model's head.
void initialise_added(const ModelConfig& config, std::uint64_t seed, ParameterBuffer<float>& weights);

}  // namespace kiln
