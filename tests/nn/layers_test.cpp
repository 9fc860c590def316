// The linear layer and the norms against plain loops and central differences.
#include "kiln/nn/layers.h"

#include <gtest/gtest.h>

#include "support/block_parts.h"
#include <string>
#include <utility>

namespace kiln {
namespace {

using testing::kNaN;
using testing::make_nan_arena;
using testing::randn;
using testing::Tensor;

constexpr Index kBatch = 4, kIn = 6, kOut = 7;
constexpr testing::GradientCheck kFromNine{.initial = 9.0};

ModelConfig linear_config(bool has_bias, const LoraConfig& lora) {
  ModelConfig config;
  config.bias = has_bias;
  config.lora = lora;
  return config;
}

/// A linear layer with weights of its own, for two sequences.
struct LinearRun {
  explicit LinearRun(bool has_bias, const LoraConfig& lora = {})
      : linear(linear_config(has_bias, lora), layout, Module::c_fc, 0, kIn, {kOut}),
        weights(testing::draw_weights(layout)),
        adapters(lay_out_adapter_scratch<double>(arena, layout, lora, kBatch, true)) {
    set_threads(1);
  }
  ForwardContext<double> context() const { return {weights, tables, rows, step, adapters}; }
  void forward() { linear.forward<double>(context(), x.c(), y.m()); }
  Tensor<double> backward(Gradients<double>& gradients) {
    Tensor<double> dx(kBatch, kIn, kNaN);
    linear.backward<double>(context(), x.c(), dy.c(), dx.m(), gradients);
    return dx;
  }

  Rng rng{8, "test"};
  ParameterLayout layout;
  Linear linear;
  ParameterBuffer<double> weights;
  PositionTables<double> tables{ModelConfig()};
  TokenRows rows = testing::ragged_rows({3, 1});
  StepContext step{.training = true, .seed = 2};
  Arena arena = make_nan_arena();
  AdapterScratch<double> adapters;
  Tensor<double> x = randn(rng, kBatch, kIn), dy = randn(rng, kBatch, kOut), y{kBatch, kOut, kNaN};
};

TEST(Linear, IsAProductAndABias) {
  for (const bool has_bias : {true, false}) {
    LinearRun run(has_bias);
    run.forward();
    const auto& weights = std::as_const(run.weights);
    const ParameterId bias = run.layout.find({Module::c_fc, 0, TensorKind::bias});
    testing::expect_near(run.y.data, testing::plain_linear(run.x.data, weights.mat(run.layout.find({Module::c_fc, 0})),
                                                           weights.vec(bias)));
    EXPECT_EQ(static_cast<bool>(bias), has_bias);
  }
}

TEST(Linear, BackwardMatchesCentralDifferencesAndAccumulates) {
  for (const bool has_bias : {true, false}) {
    LinearRun run(has_bias);
    Gradients<double> gradients(run.layout);
    gradients.all().setConstant(kFromNine.initial);
    const Tensor<double> dx = run.backward(gradients);
    const auto loss = [&] {
      run.forward();
      return testing::dot(run.y.data, run.dy.data);
    };
    testing::expect_gradient("x", run.x, dx, loss);
    testing::expect_parameter_gradients(run.weights, gradients, loss, kFromNine);
  }
}

TEST(Linear, TheFirstGradientAfterClearOverwritesAndTheSecondIsAdded) {
  LinearRun run(true);
  Gradients<double> once(run.layout), twice(run.layout);
  run.backward(once);
  twice.all().setConstant(kNaN);
  twice.clear();
  run.backward(twice);
  run.backward(twice);
  for (const Parameter& p : run.layout.parameters()) {
    testing::expect_near(std::as_const(twice).mat(p.id), 2 * std::as_const(once).mat(p.id));
  }
}

TEST(Linear, AnAdapterAddsItsProductAndItsGradientsMatchCentralDifferences) {
  for (const double dropout : {0.0, 0.4}) {
    LinearRun run(true, {.rank = 2, .alpha = 3, .dropout = dropout});
    Gradients<double> gradients(run.layout);
    gradients.all().setConstant(kFromNine.initial);
    const Tensor<double> dx = run.backward(gradients);
    const auto loss = [&] {
      run.forward();
      return testing::dot(run.y.data, run.dy.data);
    };
    testing::expect_gradient("x", run.x, dx, loss);
    testing::expect_parameter_gradients(run.weights, gradients, loss, kFromNine);
    if (dropout > 0) continue;
    const auto weight = [&](TensorKind kind) {
      return std::as_const(run.weights).mat(run.layout.find({Module::c_fc, 0, kind}));
    };
    run.forward();
    const RowMajor<double> product = run.x.data * weight(TensorKind::lora_a) * weight(TensorKind::lora_b) * 1.5;
    RowMajor<double> sum = run.x.data * weight(TensorKind::weight) + product;
    sum.rowwise() += weight(TensorKind::bias).row(0);
    testing::expect_near(run.y.data, sum);
  }
}

ModelConfig norm_config(NormKind kind, bool has_bias) {
  ModelConfig config;
  config.d_model = kIn;
  config.norm = kind;
  config.bias = has_bias;
  config.norm_epsilon = 0.1;  // large enough to show where it stands
  return config;
}

/// A norm with weights of its own; its input is far from the mean 0.
struct NormRun {
  NormRun(NormKind kind, bool has_bias)
      : norm(layout, Module::ln_f, kNoLayer, norm_config(kind, has_bias)), weights(testing::draw_weights(layout)) {
    set_threads(1);
    x.data.array() += 0.7;
  }
  void forward() { norm.forward<double>(weights, x.c(), y.m(), statistics); }
  void backward(ConstMat<double> d_out, ConstMat<double> dskip, Mat<double> dx, Gradients<double>& gradients) {
    norm.backward<double>(weights, x.c(), statistics, d_out, dskip, dx, gradients);
  }

  Rng rng{9, "test"};
  ParameterLayout layout;
  Norm norm;
  ParameterBuffer<double> weights;
  Arena arena = make_nan_arena();
  NormStatistics<double> statistics = norm.lay_out<double>(arena, kBatch);
  Tensor<double> x = randn(rng, kBatch, kIn), dy = randn(rng, kBatch, kIn), y{kBatch, kIn, kNaN};
};

constexpr std::pair<NormKind, bool> kNormCases[] = {
    {NormKind::layernorm, true}, {NormKind::layernorm, false}, {NormKind::rmsnorm, true}, {NormKind::rmsnorm, false}};

TEST(Norm, IsTheFormulaAndOnlyLayernormHasABias) {
  for (const auto& [kind, has_bias] : kNormCases) {
    NormRun run(kind, has_bias);
    run.forward();
    const auto& weights = std::as_const(run.weights);
    const ParameterId bias = run.layout.find({Module::ln_f, kNoLayer, TensorKind::bias});
    testing::expect_near(
        run.y.data,
        testing::plain_norm(kind, 0.1, run.x.data, weights.vec(run.layout.find({Module::ln_f})), weights.vec(bias)));
    EXPECT_EQ(static_cast<bool>(bias), has_bias && kind == NormKind::layernorm);
    EXPECT_EQ(run.statistics.mean.size(), kind == NormKind::layernorm ? kBatch : 0);
  }
}

TEST(Norm, BackwardMatchesCentralDifferencesAndAccumulates) {
  for (const auto& [kind, has_bias] : kNormCases) {
    NormRun run(kind, has_bias);
    Gradients<double> gradients(run.layout);
    gradients.all().setConstant(kFromNine.initial);
    run.forward();
    Tensor<double> dx(kBatch, kIn, kNaN);
    run.backward(run.dy.c(), mat(static_cast<const double*>(nullptr), 0, kIn), dx.m(), gradients);
    const auto loss = [&] {
      run.forward();
      return testing::dot(run.y.data, run.dy.data);
    };
    testing::expect_gradient("x", run.x, dx, loss);
    testing::expect_parameter_gradients(run.weights, gradients, loss, kFromNine);
  }
}

TEST(Norm, TheSkippedGradientIsAddedWhereverTheResultGoes) {
  for (const auto& [kind, has_bias] : kNormCases) {
    NormRun run(kind, has_bias);
    Gradients<double> gradients(run.layout);
    run.forward();
    const Tensor<double> dskip = randn(run.rng, kBatch, kIn);
    Tensor<double> alone(kBatch, kIn, kNaN), apart = alone, in_skip = dskip, in_dy = run.dy;
    run.backward(run.dy.c(), mat(static_cast<const double*>(nullptr), 0, kIn), alone.m(), gradients);
    run.backward(run.dy.c(), dskip.c(), apart.m(), gradients);
    testing::expect_near(apart.data, dskip.data + alone.data);
    run.backward(run.dy.c(), in_skip.c(), in_skip.m(), gradients);
    EXPECT_EQ(in_skip.data, apart.data);
    run.backward(in_dy.c(), dskip.c(), in_dy.m(), gradients);
    EXPECT_EQ(in_dy.data, apart.data);
  }
}

}  // namespace
}  // namespace kiln
