// A pass in bfloat16 against one in float.
#include "kiln/train/pass.h"

#include "kiln/core/rng.h"
#include "kiln/core/threads.h"
#include "kiln/nn/language_model.h"

#include "support/small_models.h"
#include <cmath>
#include <limits>

namespace kiln {
namespace {

using testing::kSmallVocabulary;
using testing::SmallModel;

Batch random_batch(Index B, Index length) {
  Batch batch;
  batch.resize(B, length);
  Rng rng(9, "test");
  for (std::size_t n = 0; n < batch.inputs.size(); ++n) {
    batch.inputs[n] = static_cast<std::int32_t>(rng.below(kSmallVocabulary));
    batch.targets[n] = static_cast<std::int32_t>(rng.below(kSmallVocabulary));
  }
  return batch;
}

struct Outcome {
  double loss;
  Gradients<float> gradients;
};

/// `left_over` is what the gradients hold from a step before.
Outcome run(SmallModel& small, PassOptions options, float left_over = 0.0f) {
  options.windows = 8;
  const Batch batch = random_batch(options.windows, small.config().n_ctx);
  ParameterBuffer<bfloat16> rounded(small.layout());
  const Weights weights(small.weights, rounded);
  weights.round();
  Outcome outcome{.loss = 0, .gradients = Gradients<float>(small.layout())};
  outcome.gradients.all().setConstant(left_over);
  outcome.gradients.clear();
  const auto pass = make_pass(small.config(), kSmallVocabulary, options);
  outcome.loss = pass->forward_backward(weights, batch, {.training = true, .seed = 1, .step = 0},
                                        1.0 / static_cast<double>(batch.inputs.size()), outcome.gradients);
  outcome.gradients.finish();
  return outcome;
}

// bfloat16 keeps 8 bits: rounding is off by up to 2^-9 = 0.2% of every weight and activation. A gradient here is the
// end of a chain of about 20 rounded tensors whose errors add up like a random walk: sqrt(20) * 2^-9 = 0.9% of its
// norm, and what cancels in sums makes it a few times as much. A wrong term is off by tens of percent.
TEST(Pass, Bfloat16GradientsAreFloatsToWithinItsBits) {
  set_threads(2);
  for (const ModelConfig& config : {testing::small_gpt2(), testing::small_llama(), testing::small_modern()}) {
    SmallModel small(config);
    small.weights.all() *= 0.3f;  // of the order of trained weights
    const Outcome wide = run(small, {.precision = Precision::fp32}),
                  narrow = run(small, {.precision = Precision::bf16});
    EXPECT_NE(narrow.loss, wide.loss);
    EXPECT_NEAR(narrow.loss, wide.loss, 0.01 * wide.loss);
    const double whole = wide.gradients.all().norm();
    for (const Parameter& p : small.layout().parameters()) {
      const double error = (narrow.gradients.vec(p.id) - wide.gradients.vec(p.id)).norm();
      EXPECT_LT(error, 0.05 * wide.gradients.vec(p.id).norm() + 0.002 * whole) << p.name;
    }
  }
}

TEST(Pass, GradientsOfTheLastStepLeaveNoTrace) {
  set_threads(2);
  for (const ModelConfig& config : {testing::small_gpt2(), testing::small_llama(), testing::small_modern()}) {
    SmallModel small(config);
    small.weights.all() *= 0.3f;
    const Outcome clean = run(small, {}), soiled = run(small, {}, std::numeric_limits<float>::quiet_NaN());
    for (const Parameter& p : small.layout().parameters()) {
      EXPECT_EQ(clean.gradients.vec(p.id), soiled.gradients.vec(p.id)) << p.name;
    }
  }
}

// 20,000 entries take 1,024 positions in two chunks of 512, and 640 positions would fit into one.
TEST(Pass, ASmallerBatchFitsIntoTheMemoryForALargerOne) {
  constexpr Index kManyEntries = 20000;
  set_threads(2);
  ModelConfig config = testing::small_gpt2();
  config.n_ctx = 32;
  const LanguageModel<float> model(config, kManyEntries);
  ParameterBuffer<float> weights(model.layout);
  for (Index i = 0; i < weights.all().size(); ++i) weights.all()[i] = 0.1f * std::sin(static_cast<float>(i));
  const auto gradients_of = [&](Pass& pass, const Batch& batch) {
    Gradients<float> gradients(model.layout);
    gradients.clear();
    pass.forward_backward(weights, batch, {.training = true, .seed = 1, .step = 0}, 1.0 / 640, gradients);
    gradients.finish();
    return gradients;
  };
  const auto roomy = make_pass(config, kManyEntries, {.windows = 32}),
             tight = make_pass(config, kManyEntries, {.windows = 20});
  gradients_of(*roomy, random_batch(32, 32));
  const Batch batch = random_batch(20, 32);
  const Gradients<float> gradients = gradients_of(*roomy, batch), expected = gradients_of(*tight, batch);
  EXPECT_LT((gradients.all() - expected.all()).norm(), 1e-5f * expected.all().norm());
}

TEST(Pass, WhatIsComputedAgainChangesNoBit) {
  set_threads(2);
  for (ModelConfig config : {testing::small_gpt2(), testing::small_llama(), testing::small_modern()}) {
    config.dropout = 0.2;  // masks are drawn again too
    config.n_layers = 3;
    SmallModel small(config);
    small.weights.all() *= 0.3f;
    const Outcome kept = run(small, {});
    for (const Recompute recompute : {Recompute::mlp, Recompute::block}) {
      const Outcome again = run(small, {.recompute = recompute});
      EXPECT_EQ(again.loss, kept.loss);
      testing::expect_same(again.gradients, kept.gradients);
    }
  }
}

TEST(Pass, WhatIsComputedAgainTakesNoMemory) {
  ModelConfig config = testing::small_gpt2();
  config.d_model = 64;
  config.d_head = 32;
  config.d_mlp = 256;
  config.n_layers = 12;
  const auto bytes = [&](Recompute recompute) {
    return static_cast<double>(pass_bytes(config, kSmallVocabulary, {.recompute = recompute, .windows = 64}));
  };
  EXPECT_LT(bytes(Recompute::mlp), 0.65 * bytes(Recompute::none));
  EXPECT_LT(bytes(Recompute::block), 0.25 * bytes(Recompute::none));
}

TEST(Pass, Bfloat16TakesHalfTheActivations) {
  ModelConfig config = testing::small_gpt2();
  config.d_model = 64;
  config.d_head = 32;
  config.d_mlp = 256;
  config.n_layers = 12;  // beside which it matters little what kernels keep of their own
  const auto bytes = [&](Precision precision) {
    return static_cast<double>(pass_bytes(config, kSmallVocabulary, {.precision = precision, .windows = 64}));
  };
  set_threads(1);  // each keeps its own
  const double narrow = bytes(Precision::bf16), wide = bytes(Precision::fp32);
  set_threads(0);
  EXPECT_LT(narrow, 0.6 * wide);
}

}  // namespace
}  // namespace kiln
