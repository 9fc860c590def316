// Whole models forward and backward: in each precision, recomputed, packed.
#include "kiln/nn/runner.h"

#include "kiln/core/rng.h"
#include "kiln/core/threads.h"
#include "kiln/nn/language_model.h"

#include "support/sequences.h"
#include "support/small_models.h"
#include <cmath>
#include <limits>

namespace kiln {
namespace {

using testing::kSmallVocabulary;
using testing::SmallModel;

/// A batch of training: windows, the token after each row, and what each loss weighs.
struct Input {
  TokenRows rows;
  std::vector<Index> scored;
  std::vector<std::int32_t> targets;
  std::vector<float> d_losses;

  Index size() const { return rows.size(); }
};

Input random_windows(Index B, Index length, double d_loss) {
  Input input;
  Rng rng(9, "test");
  for (Index b = 0; b < B; ++b) {
    for (std::int32_t& token : input.rows.append(length))
      token = static_cast<std::int32_t>(rng.below(kSmallVocabulary));
  }
  for (Index n = 0; n < B * length; ++n)
    input.targets.push_back(static_cast<std::int32_t>(rng.below(kSmallVocabulary)));
  input.scored = testing::all_rows(B * length);
  input.d_losses.assign(input.scored.size(), static_cast<float>(d_loss));
  return input;
}

/// A forward and a backward; returns the sum of the losses, each times its weight.
double forward_backward(Runner<float>& runner, Weights weights, const Input& input, Gradients<float>& gradients) {
  std::vector<float> losses(input.scored.size());
  const Index M = std::ssize(losses);
  const ConstVec<float> d_losses(input.d_losses.data(), M);
  runner.forward(weights, input.rows, {.training = true, .seed = 1});
  runner.backward({input.scored, input.targets}, d_losses, Vec<float>(losses.data(), M), gradients);
  return ConstVec<float>(losses.data(), M).cast<double>().dot(d_losses.cast<double>());
}

struct Outcome {
  double loss;
  Gradients<float> gradients;
};

constexpr Index kWindows = 8;

/// Of windows of n_ctx. `left_over` is what the gradients hold from a step before.
Outcome run(SmallModel& small, Precision precision = Precision::fp32, Recompute recompute = Recompute::none,
            float left_over = 0.0f) {
  const Index N = kWindows * small.config().n_ctx;
  ParameterBuffer<bfloat16> rounded(small.layout());
  const Weights weights(small.weights, rounded);
  weights.round();
  Outcome outcome{.loss = 0, .gradients = Gradients<float>(small.layout())};
  outcome.gradients.all().setConstant(left_over);
  outcome.gradients.clear();
  const auto runner =
      make_runner(small.config(), kSmallVocabulary, precision, {.rows = N, .scored = N, .backward = recompute});
  outcome.loss =
      forward_backward(*runner, weights, random_windows(kWindows, small.config().n_ctx, 1.0 / static_cast<double>(N)),
                       outcome.gradients);
  outcome.gradients.finish();
  return outcome;
}

/// What a runner of training takes.
double training_bytes(const ModelConfig& config, Precision precision, Recompute recompute) {
  const Index N = 64 * config.n_ctx;
  return static_cast<double>(
      runner_bytes(config, kSmallVocabulary, precision, {.rows = N, .scored = N, .backward = recompute}));
}

// bfloat16 keeps 8 bits: rounding is off by up to 2^-9 = 0.2% of every weight and activation. A gradient here is the
// end of a chain of about 20 rounded tensors whose errors add up like a random walk: sqrt(20) * 2^-9 = 0.9% of its
// norm, and what cancels in sums makes it a few times as much. A wrong term is off by tens of percent.
TEST(Runner, Bfloat16GradientsAreFloatsToWithinItsBits) {
  set_threads(2);
  for (const ModelConfig& config : {testing::small_gpt2(), testing::small_llama(), testing::small_modern()}) {
    SmallModel small(config);
    small.weights.all() *= 0.3f;  // of the order of trained weights
    const Outcome wide = run(small, Precision::fp32), narrow = run(small, Precision::bf16);
    EXPECT_NE(narrow.loss, wide.loss);
    EXPECT_NEAR(narrow.loss, wide.loss, 0.01 * wide.loss);
    const double whole = wide.gradients.all().norm();
    for (const Parameter& p : small.layout().parameters()) {
      const double error = (narrow.gradients.vec(p.id) - wide.gradients.vec(p.id)).norm();
      EXPECT_LT(error, 0.05 * wide.gradients.vec(p.id).norm() + 0.002 * whole) << p.name;
    }
  }
}

TEST(Runner, GradientsOfTheLastStepLeaveNoTrace) {
  set_threads(2);
  for (const ModelConfig& config : {testing::small_gpt2(), testing::small_llama(), testing::small_modern()}) {
    SmallModel small(config);
    small.weights.all() *= 0.3f;
    const Outcome clean = run(small),
                  soiled = run(small, Precision::fp32, Recompute::none, std::numeric_limits<float>::quiet_NaN());
    for (const Parameter& p : small.layout().parameters()) {
      EXPECT_EQ(clean.gradients.vec(p.id), soiled.gradients.vec(p.id)) << p.name;
    }
  }
}

// 20,000 entries take 1,024 positions in two chunks of 512, and 640 positions would fit into one.
TEST(Runner, ASmallerBatchFitsIntoTheMemoryForALargerOne) {
  constexpr Index kManyEntries = 20000;
  set_threads(2);
  ModelConfig config = testing::small_gpt2();
  config.n_ctx = 32;
  const LanguageModel<float> model(config, kManyEntries);
  ParameterBuffer<float> weights(model.layout);
  for (Index i = 0; i < weights.all().size(); ++i) weights.all()[i] = 0.1f * std::sin(static_cast<float>(i));
  const auto gradients_of = [&](Runner<float>& runner, Index windows) {
    Gradients<float> gradients(model.layout);
    gradients.clear();
    forward_backward(runner, weights, random_windows(windows, 32, 1.0 / 640), gradients);
    gradients.finish();
    return gradients;
  };
  const auto runner_for = [&](Index windows) {
    return make_runner<float>(config, kManyEntries,
                              {.rows = windows * 32, .scored = windows * 32, .backward = Recompute::none});
  };
  const auto roomy = runner_for(32), tight = runner_for(20);
  gradients_of(*roomy, 32);
  const Gradients<float> gradients = gradients_of(*roomy, 20), expected = gradients_of(*tight, 20);
  EXPECT_LT((gradients.all() - expected.all()).norm(), 1e-5f * expected.all().norm());
}

TEST(Runner, WhatIsComputedAgainChangesNoBit) {
  set_threads(2);
  for (ModelConfig config : {testing::small_gpt2(), testing::small_llama(), testing::small_modern()}) {
    config.dropout = 0.2;  // masks are drawn again too
    config.n_layers = 3;
    SmallModel small(config);
    small.weights.all() *= 0.3f;
    const Outcome kept = run(small);
    for (const Recompute recompute : {Recompute::mlp, Recompute::block}) {
      const Outcome again = run(small, Precision::fp32, recompute);
      EXPECT_EQ(again.loss, kept.loss);
      testing::expect_same(again.gradients, kept.gradients);
    }
  }
}

TEST(Runner, WhatIsComputedAgainTakesNoMemory) {
  ModelConfig config = testing::small_gpt2();
  config.d_model = 64;
  config.d_head = 32;
  config.d_mlp = 256;
  config.n_layers = 12;
  const auto bytes = [&](Recompute recompute) { return training_bytes(config, Precision::fp32, recompute); };
  EXPECT_LT(bytes(Recompute::mlp), 0.65 * bytes(Recompute::none));
  EXPECT_LT(bytes(Recompute::block), 0.25 * bytes(Recompute::none));
}

TEST(Runner, Bfloat16TakesHalfTheActivations) {
  ModelConfig config = testing::small_gpt2();
  config.d_model = 64;
  config.d_head = 32;
  config.d_mlp = 256;
  config.n_layers = 12;  // beside which it matters little what kernels keep of their own
  const auto bytes = [&](Precision precision) { return training_bytes(config, precision, Recompute::none); };
  set_threads(1);  // each keeps its own
  const double narrow = bytes(Precision::bf16), wide = bytes(Precision::fp32);
  set_threads(0);
  EXPECT_LT(narrow, 0.6 * wide);
}

/// A model in T with weights of the order of trained ones.
template <class T>
struct Model {
  explicit Model(const ModelConfig& chosen) : config(chosen), model(config, kSmallVocabulary), weights(model.layout) {
    Rng rng(21, "test");
    for (const Parameter& p : model.layout.parameters()) {
      for (T& value : weights.vec(p.id)) value = static_cast<T>(0.3 * rng.normal());
    }
  }

  /// Losses and gradients of a batch.
  Gradients<Acc<T>> run(const Input& input, Recompute recompute, std::vector<Acc<T>>& losses) {
    const Index M = std::ssize(input.scored);
    const auto runner =
        make_runner<T>(config, kSmallVocabulary, {.rows = input.size(), .scored = M, .backward = recompute});
    const std::vector<Acc<T>> d_losses(input.d_losses.begin(), input.d_losses.end());
    losses.resize(static_cast<std::size_t>(M));
    Gradients<Acc<T>> gradients(model.layout);
    runner->forward(weights, input.rows, {.training = true, .seed = 1});
    runner->backward({input.scored, input.targets}, ConstVec<Acc<T>>(d_losses.data(), M), Vec<Acc<T>>(losses.data(), M),
                     gradients);
    gradients.finish();
    return gradients;
  }

  ModelConfig config;
  LanguageModel<T> model;
  ParameterBuffer<T> weights;
};

/// Sequences of these lengths in one batch, some rows not scored, the others weighted.
Input ragged(const std::vector<Index>& lengths) {
  Input input;
  Rng rng(33, "test");
  const auto draw = [&] { return static_cast<std::int32_t>(rng.below(kSmallVocabulary)); };
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    for (std::int32_t& token : input.rows.append(lengths[i], {.number = 10 + i})) token = draw();
  }
  for (Index n = 0; n < input.size(); ++n) {
    if (n % 3 == 1) continue;
    input.scored.push_back(n);
    input.targets.push_back(draw());
    input.d_losses.push_back(0.05f * static_cast<float>(1 + n % 4));
  }
  return input;
}

/// One sequence of a batch by itself.
Input alone(const Input& batch, const Sequence& s) {
  Input input;
  input.rows.append(
      std::span(batch.rows.tokens).subspan(static_cast<std::size_t>(s.row), static_cast<std::size_t>(s.length)),
      {.number = s.number});
  for (std::size_t m = 0; m < batch.scored.size(); ++m) {
    const Index row = batch.scored[m] - s.row;
    if (row < 0 || row >= s.length) continue;
    input.scored.push_back(row);
    input.targets.push_back(batch.targets[m]);
    input.d_losses.push_back(batch.d_losses[m]);
  }
  return input;
}

/// Losses and every gradient of a ragged batch are those of its sequences, one by one:
/// ||a - b|| <= tolerance * max(||b||, 1e-3 ||all gradients||).
template <class T>
void expect_packed_is_alone(const ModelConfig& config, Recompute recompute, double tolerance) {
  Model<T> model(config);
  Input packed = ragged({1, config.n_ctx, 2, config.n_ctx - 1, 5, 3});
  packed.rows.round_up(64);
  std::vector<Acc<T>> losses, expected_losses;
  const Gradients<Acc<T>> gradients = model.run(packed, recompute, losses);
  Eigen::VectorXd expected = Eigen::VectorXd::Zero(model.model.layout.extent());
  for (const Sequence& s : packed.rows.sequences) {
    const Input one = alone(packed, s);
    if (one.scored.empty()) continue;
    std::vector<Acc<T>> its_losses;
    expected += model.run(one, recompute, its_losses).all().template cast<double>();
    expected_losses.insert(expected_losses.end(), its_losses.begin(), its_losses.end());
  }
  ASSERT_EQ(losses.size(), expected_losses.size());
  for (std::size_t m = 0; m < losses.size(); ++m) {
    EXPECT_NEAR(losses[m], expected_losses[m], tolerance * std::abs(expected_losses[m]));
  }
  for (const Parameter& p : model.model.layout.parameters()) {
    const auto wanted = expected.segment(p.offset, p.size());
    const double error = (gradients.vec(p.id).template cast<double>() - wanted).norm();
    EXPECT_LE(error, tolerance * std::max(wanted.norm(), 1e-3 * expected.norm())) << p.name;
  }
}

std::vector<ModelConfig> every_kind_of_position() {
  std::vector<ModelConfig> configs;
  for (const PositionKind position :
       {PositionKind::learned, PositionKind::sinusoidal, PositionKind::rope, PositionKind::alibi, PositionKind::none}) {
    for (ModelConfig config : {testing::small_gpt2(), testing::small_modern()}) {
      config.position = position;
      config.n_ctx = 9;
      config.n_layers = 3;
      config.dropout = position == PositionKind::rope || position == PositionKind::learned ? 0.2 : 0;
      configs.push_back(config);
    }
  }
  return configs;
}

TEST(Runner, PackedSequencesGiveWhatEachGivesAlone) {
  set_threads(2);
  for (const ModelConfig& config : every_kind_of_position()) {
    for (const Recompute recompute : {Recompute::none, Recompute::mlp, Recompute::block}) {
      SCOPED_TRACE(fmt::format("{} {}", kPositions[static_cast<std::size_t>(config.position)],
                               kRecomputes[static_cast<std::size_t>(recompute)]));
      expect_packed_is_alone<float>(config, recompute, 1e-5);
      expect_packed_is_alone<double>(config, recompute, 1e-12);
      // Rows are rounded one by one, so that packed and alone round alike; only the sums over rows, in float, and what
      // their last bits turn over in later roundings to 8 bits differ.
      expect_packed_is_alone<bfloat16>(config, recompute, 0x1p-8);
    }
  }
}

TEST(Runner, OnlyScoredRowsCount) {  // the gradient of the others is zero, whatever their targets
  set_threads(2);
  Model<float> model(testing::small_llama());
  Input batch = ragged({6, 4, 6});
  std::vector<float> losses;
  const Gradients<float> gradients = model.run(batch, Recompute::none, losses);
  Input weighted = batch;  // all rows scored, the others with a weight of 0
  weighted.scored = testing::all_rows(batch.size());
  weighted.targets.assign(weighted.scored.size(), 0);
  weighted.d_losses.assign(weighted.scored.size(), 0.0f);
  for (std::size_t m = 0; m < batch.scored.size(); ++m) {
    const auto row = static_cast<std::size_t>(batch.scored[m]);
    weighted.targets[row] = batch.targets[m];
    weighted.d_losses[row] = batch.d_losses[m];
  }
  const Gradients<float> expected = model.run(weighted, Recompute::none, losses);
  EXPECT_LT((gradients.all() - expected.all()).norm(), 1e-6f * expected.all().norm());
}

TEST(Runner, ABatchWithoutScoredRowsHasNoGradient) {
  Model<float> model(testing::small_gpt2());
  Input batch = ragged({3, 4});
  batch.scored.clear();
  batch.targets.clear();
  batch.d_losses.clear();
  std::vector<float> losses;
  EXPECT_EQ(model.run(batch, Recompute::none, losses).all().norm(), 0.0f);
}

}  // namespace
}  // namespace kiln
