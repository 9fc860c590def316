// The MLP half of a block against plain loops and central differences, for every activation.
#include "kiln/nn/mlp.h"

#include <gtest/gtest.h>

#include "support/block_parts.h"
#include <cmath>
#include <numbers>
#include <vector>

namespace kiln {
namespace {

using testing::kPartLayer;
using MlpRun = testing::PartRun<Mlp<double>>;

/// Every activation, with dropout; every other one with rmsnorm and without biases.
std::vector<ModelConfig> mlp_configs() {
  std::vector<ModelConfig> configs;
  for (std::size_t kind = 0; kind < kActivations.size(); ++kind) {
    ModelConfig config;
    config.d_model = 6;
    config.n_heads = 2;
    config.d_mlp = 7;
    config.n_ctx = 6;
    config.activation = static_cast<Activation>(kind);
    config.dropout = 0.3;
    config.bias = kind % 2 == 0;
    config.norm = kind % 2 == 0 ? NormKind::layernorm : NormKind::rmsnorm;
    configs.push_back(config);
  }
  return configs;
}

std::string_view name_of_activation(const MlpRun& run) {
  return kActivations[static_cast<std::size_t>(run.config.activation)];
}

double plain_activation(Activation activation, double x) {
  const double sigmoid = 1 / (1 + std::exp(-x)), normal = (1 + std::erf(x / std::numbers::sqrt2)) / 2;
  switch (activation) {
    case Activation::relu:
      return x > 0 ? x : 0;
    case Activation::relu2:
      return x > 0 ? x * x : 0;
    case Activation::gelu_new:
      return x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))) / 2;
    case Activation::gelu:
    case Activation::geglu:
      return x * normal;
    case Activation::silu:
    case Activation::swiglu:
      return x * sigmoid;
  }
  return testing::kNaN;
}

/// Returns x + dropout(projection(activation(fc(norm(x))))).
RowMajor<double> plain_mlp(const MlpRun& run) {
  const ModelConfig& config = run.config;
  const RowMajor<double> normed =
      testing::plain_norm(config.norm, config.norm_epsilon, run.x.data, run.vec("ln_2.weight"), run.vec("ln_2.bias"));
  const RowMajor<double> fc = testing::plain_linear(normed, run.mat("mlp.c_fc.weight"), run.vec("mlp.c_fc.bias"));
  const Index F = *config.d_mlp;
  RowMajor<double> activated(fc.rows(), F);
  for (Index n = 0; n < fc.rows(); ++n) {
    for (Index f = 0; f < F; ++f) {
      activated(n, f) =
          plain_activation(config.activation, fc(n, f)) * (is_gated(config.activation) ? fc(n, F + f) : 1);
    }
  }
  return testing::plain_residual(
      run.x.data, testing::plain_linear(activated, run.mat("mlp.c_proj.weight"), run.vec("mlp.c_proj.bias")),
      Dropout(run.step, config.dropout, dropout_site(kPartLayer, DropoutPlace::mlp_branch)), run.rows.sequences);
}

TEST(Mlp, ForwardIsThePlainFormulaForEveryActivation) {
  for (const ModelConfig& config : mlp_configs()) {
    MlpRun run(config);
    SCOPED_TRACE(name_of_activation(run));
    testing::expect_plain_forward(run, plain_mlp);
  }
}

TEST(Mlp, BackwardMatchesCentralDifferencesForEveryActivation) {
  for (const ModelConfig& config : mlp_configs()) {
    MlpRun run(config);
    SCOPED_TRACE(name_of_activation(run));
    testing::expect_gradients(run);
  }
}

TEST(Mlp, ActivateIsAllThatABackwardNeeds) {
  Rng rng(12, "test");
  for (const ModelConfig& config : mlp_configs()) {
    MlpRun whole(config), part(config);
    SCOPED_TRACE(name_of_activation(whole));
    const auto d_out = testing::randn(rng, whole.rows.size(), config.d_model);
    Gradients<double> gradients(whole.layout), expected(whole.layout);
    whole.forward();
    part.part.activate(part.context(), part.x.c(), part.activations);
    const auto wanted = whole.backward(d_out, expected), found = part.backward(d_out, gradients);
    EXPECT_EQ(found.data, wanted.data);
    EXPECT_EQ(gradients.all(), expected.all());
    EXPECT_GT(expected.all().norm(), 1);
  }
}

}  // namespace
}  // namespace kiln
