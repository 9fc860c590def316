// The trunk against its blocks run one by one, and its gradients against central differences.
#include "kiln/nn/gpt.h"

#include <gtest/gtest.h>

#include "support/block_parts.h"
#include "support/small_models.h"
#include <vector>

namespace kiln {
namespace {

using testing::Tensor;

constexpr Index kTokens = 5;  // in the vocabulary

/// A trunk, its weights, and a ragged batch in which tokens repeat; token 4 is absent.
struct TrunkRun {
  TrunkRun(const ModelConfig& config, Recompute recompute)
      : trunk(config, kTokens, layout),
        weights(testing::draw_weights(layout)),
        tables(config),
        rows(testing::ragged_rows({4, 1, 3}, 1)),
        arena(testing::make_nan_arena()),
        activations(trunk.lay_out(arena, rows.size(), recompute)) {
    set_threads(1);
    for (std::size_t n = 0; n < 8; ++n) rows.tokens[n] = static_cast<std::int32_t>(3 * n % 4);
  }
  ForwardContext<double> context() const { return {weights, tables, rows, step, adapters}; }
  void forward() { trunk.forward(context(), activations); }
  void backward(const Tensor<double>& d_hidden, Gradients<double>& gradients) {
    activations.d_hidden = d_hidden.data;
    trunk.backward(context(), activations, gradients);
  }

  ParameterLayout layout;
  Gpt<double> trunk;
  ParameterBuffer<double> weights;
  PositionTables<double> tables;
  TokenRows rows;
  AdapterScratch<double> adapters;
  StepContext step{.training = true, .seed = 6};
  Arena arena;
  GptActivations<double> activations;
};

/// Three layers with dropout; learned, sinusoidal and rotary positions.
std::vector<ModelConfig> trunk_configs() {
  std::vector<ModelConfig> configs{testing::small_gpt2(), testing::small_gpt2(), testing::small_modern()};
  configs[1].position = PositionKind::sinusoidal;
  for (ModelConfig& config : configs) {
    config.n_layers = 3;
    config.d_model = 6;
    config.d_head = 4;
    config.d_mlp = 5;
    config.dropout = 0.2;
  }
  return configs;
}

TEST(Gpt, HiddenStatesAreTheFinalNormOfTheBlocksOfTheEmbedding) {
  for (const ModelConfig& config : trunk_configs()) {
    TrunkRun run(config, Recompute::none);
    run.forward();
    const auto& weights = std::as_const(run.weights);
    const Index N = run.rows.size(), C = config.d_model;
    Tensor<double> stream(N, C);
    for (Index n = 0; n < N; ++n) {
      const auto at = static_cast<std::size_t>(n);
      stream.data.row(n) = weights.mat(run.layout.find("wte.weight")).row(run.rows.tokens[at]);
      if (config.position == PositionKind::learned) {
        stream.data.row(n) += weights.mat(run.layout.find("wpe.weight")).row(run.rows.positions[at]);
      } else if (config.position == PositionKind::sinusoidal) {
        stream.data.row(n) += run.tables.sinusoid_table().row(run.rows.positions[at]);
      }
    }
    stream.data = testing::plain_residual(RowMajor<double>::Zero(N, C), stream.data, Dropout(run.step, 0.2, 0),
                                          run.rows.sequences);
    for (Index layer = 0; layer < config.n_layers; ++layer) {
      ParameterLayout of_block;
      const Block<double> block(config, layer, of_block);
      ParameterBuffer<double> block_weights(of_block);
      for (const Parameter& p : of_block.parameters()) {
        block_weights.vec(p.id) = weights.vec(run.layout.find(p.name));
      }
      Arena arena = testing::make_nan_arena();
      auto activations = block.lay_out(arena, N);
      const Tensor<double> x = stream;
      block.forward({block_weights, run.tables, run.rows, run.step, run.adapters}, x.c(), activations, stream.m(),
                    nullptr);
    }
    testing::expect_near(run.activations.hidden, testing::plain_norm(config.norm, config.norm_epsilon, stream.data,
                                                                     weights.vec(run.layout.find("ln_f.weight")),
                                                                     weights.vec(run.layout.find("ln_f.bias"))));
  }
}

TEST(Gpt, BackwardMatchesCentralDifferencesWhateverIsRecomputed) {
  constexpr testing::GradientCheck kFromNine{.initial = 9.0, .step = 2e-6};  // three layers bend more than one
  const std::vector<ModelConfig> configs = trunk_configs();
  constexpr Recompute kEvery[] = {Recompute::none, Recompute::mlp, Recompute::block};
  for (std::size_t i = 0; i < configs.size(); ++i) {
    TrunkRun run(configs[i], kEvery[i]);
    Rng rng(16, "test");
    const Tensor<double> d_hidden = testing::randn(rng, run.rows.size(), configs[i].d_model);
    Gradients<double> gradients(run.layout);
    gradients.all().setConstant(kFromNine.initial);
    run.forward();
    run.backward(d_hidden, gradients);
    const auto loss = [&] {
      run.forward();
      return testing::dot(run.activations.hidden, d_hidden.data);
    };
    testing::expect_parameter_gradients(run.weights, gradients, loss, kFromNine);
  }
}

}  // namespace
}  // namespace kiln
