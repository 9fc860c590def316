// Draws each tensor in parallel, by position in its random stream.
#include "kiln/nn/init.h"

#include "kiln/core/rng.h"
#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include <cmath>
#include <numeric>

namespace kiln {
namespace {

struct Distribution {
  bool is_normal;
  double width;  // standard deviation, or half the interval
};

Distribution distribution(const ModelConfig& config, const Parameter& p, Index in, Index out) {
  const InitConfig& init = config.init;
  if (p.key.tensor == TensorKind::lora_a) return {false, 1 / std::sqrt(static_cast<double>(in))};
  if (p.key.tensor == TensorKind::lora_b) return {true, 0.0};
  if (p.role == Role::score && config.head == HeadKind::next_token_and_value) return {true, 0.0};
  if (p.role == Role::score && init.scheme != InitScheme::zero) {
    return {true, 1 / std::sqrt(static_cast<double>(p.cols + 1))};
  }
  if (init.zero_residual_projections && is_residual_projection(p.role)) return {true, 0.0};
  switch (init.scheme) {
    case InitScheme::gpt2: {
      const double layers = static_cast<double>(config.n_layers);
      return {true, is_residual_projection(p.role) ? init.std / std::sqrt(2.0 * layers) : init.std};
    }
    case InitScheme::normal:
      return {true, init.std};
    case InitScheme::uniform:
      return {false, init.std};
    case InitScheme::zero:
      return {true, 0.0};
    case InitScheme::xavier:
      if (is_embedding(p.role)) return {true, init.std};
      return {false, std::sqrt(6.0 / static_cast<double>(in + out))};
    case InitScheme::kaiming:
      if (is_embedding(p.role)) return {true, init.std};
      return {true, std::sqrt(2.0 / static_cast<double>(in))};
  }
  return {true, 0.0};
}

/// Draws columns [first, first + count) of a matrix. Element e of the tensor uses words [4e, 4e + 4) of the stream.
template <class A>
void draw(const Parameter& p, Distribution d, std::uint64_t seed, Index first, Index count, Mat<A> w) {
  constexpr Index kGrain = 16;
  parallel_for(w.rows(), kGrain, [&](Index begin, Index end) {
    Rng rng(seed, "init/" + p.name);
    for (Index r = begin; r < end; ++r) {
      rng.set_position(static_cast<std::uint64_t>(4 * (r * p.cols + first)));
      for (Index c = first; c < first + count; ++c) {
        double value = 0;
        if (d.is_normal) {
          value = d.width * rng.normal();
        } else {
          value = d.width * (2.0 * rng.uniform() - 1.0);
          rng.uniform();  // every element uses the same number of words
        }
        w(r, c) = narrow<A>(static_cast<Acc<A>>(value));
      }
    }
  });
}

template <class A>
void initialise_parameter(const ModelConfig& config, std::uint64_t seed, const Parameter& p, Mat<A> w) {
  if (!is_matrix(p.role)) {
    w.setConstant(p.role == Role::norm ? A(1) : A(0));
    return;
  }
  const bool is_unembedding = p.role == Role::unembedding;  // stored [out, in]
  Index first = 0;
  for (const Index count : p.column_groups) {
    const Distribution d = distribution(config, p, is_unembedding ? p.cols : p.rows, is_unembedding ? p.rows : count);
    draw(p, d, seed, first, count, w);
    first += count;
  }
}

}  // namespace

template <class A>
void initialise(const ModelConfig& config, std::uint64_t seed, ParameterBuffer<A>& weights) {
  for (const Parameter& p : weights.layout().parameters()) initialise_parameter(config, seed, p, weights.mat(p.id));
}

void initialise_added(const ModelConfig& config, std::uint64_t seed, ParameterBuffer<float>& weights) {
  for (const Parameter& p : weights.layout().parameters()) {
    if (trains_with_adapters(p)) initialise_parameter(config, seed, p, weights.mat(p.id));
  }
}

template void initialise<float>(const ModelConfig&, std::uint64_t, ParameterBuffer<float>&);
template void initialise<bfloat16>(const ModelConfig&, std::uint64_t, ParameterBuffer<bfloat16>&);
template void initialise<double>(const ModelConfig&, std::uint64_t, ParameterBuffer<double>&);

}  // namespace kiln
