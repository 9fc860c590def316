// Objectives as functions of outputs, and batches run for them.
#include "kiln/train/objective.h"

#include "kiln/nn/language_model.h"

#include <gtest/gtest.h>

#include "support/small_models.h"
#include <cmath>
#include <functional>
#include <vector>

namespace kiln {
namespace {

using testing::kSmallVocabulary;

/// Central differences of an objective's loss in each output.
void expect_gradient_of_loss(const Objective& objective, const Batch& batch, std::vector<double> outputs) {
  std::vector<double> gradient(outputs.size());
  objective.gradient(batch, outputs, gradient);
  for (std::size_t m = 0; m < outputs.size(); ++m) {
    constexpr double kStep = 1e-6;
    const double original = outputs[m];
    outputs[m] = original + kStep;
    const double above = objective.loss(batch, outputs);
    outputs[m] = original - kStep;
    const double below = objective.loss(batch, outputs);
    outputs[m] = original;
    EXPECT_NEAR(gradient[m], (above - below) / (2 * kStep), 1e-8) << m;
  }
}

TEST(NextToken, IsTheWeightedCrossEntropy) {
  Batch batch;
  batch.targets = {1, 2, 3};
  batch.weights = {1.0f, 0.0f, 2.5f};
  const std::vector<double> outputs{std::log(0.5), std::log(0.1), std::log(0.25)};
  EXPECT_NEAR(NextToken().loss(batch, outputs), std::log(2.0) + 2.5 * std::log(4.0), 1e-12);
  EXPECT_FALSE(NextToken().reads_outputs());
  expect_gradient_of_loss(NextToken(), batch, outputs);
}

/// An objective whose gradient depends on the outputs: half the weighted squares of log p.
class Squares final : public Objective {
 public:
  bool reads_outputs() const override { return true; }
  double weight(const Batch& batch) const override { return static_cast<double>(batch.targets.size()); }
  double loss(const Batch& batch, std::span<const double> outputs) const override {
    double sum = 0;
    for (std::size_t m = 0; m < outputs.size(); ++m) sum += 0.5 * batch.weights[m] * outputs[m] * outputs[m];
    return sum;
  }
  void gradient(const Batch& batch, std::span<const double> outputs, std::span<double> d_outputs) const override {
    for (std::size_t m = 0; m < outputs.size(); ++m) d_outputs[m] = batch.weights[m] * outputs[m];
  }
};

/// Sequences of three lengths, every other row scored.
Batch ragged_batch() {
  Batch batch;
  Rng rng(5, "test");
  const auto draw = [&] { return static_cast<std::int32_t>(rng.below(kSmallVocabulary)); };
  for (const Index length : {3, 1, 5}) {
    for (std::int32_t& token : batch.rows.append(length)) token = draw();
  }
  for (Index n = 0; n < batch.rows.size(); n += 2) {
    batch.scored.push_back(n);
    batch.targets.push_back(draw());
    batch.weights.push_back(0.5f + 0.25f * static_cast<float>(n));
  }
  return batch;
}

TEST(BatchRunner, TheGradientIsThatOfTheLossInEveryParameter) {
  const LanguageModel<double> model(testing::small_llama(), kSmallVocabulary);
  ParameterBuffer<double> weights(model.layout);
  Rng rng(6, "test");
  for (const Parameter& p : model.layout.parameters()) {
    for (double& value : weights.vec(p.id)) value = 0.4 * rng.normal();
  }
  const Batch batch = ragged_batch();
  const auto runner =
      make_runner<double>(model.config(), kSmallVocabulary, {.rows = 9, .scored = 5, .backward = Recompute::none});
  const NextToken next_token;
  const Squares squares;
  for (const Objective* objective :
       {static_cast<const Objective*>(&next_token), static_cast<const Objective*>(&squares)}) {
    BatchRunner<double> batches(*runner, *objective);
    Gradients<double> gradients(model.layout);
    const double loss = batches.backward(weights, batch, {}, gradients);
    gradients.finish();
    EXPECT_NEAR(loss, batches.loss(weights, batch, {}), 1e-12 * loss);
    for (const Parameter& p : model.layout.parameters()) {
      const Index entry = p.size() / 2;
      double& weight = weights.vec(p.id)[entry];
      const double original = weight;
      weight = original + 1e-6;
      const double above = batches.loss(weights, batch, {});
      weight = original - 1e-6;
      const double below = batches.loss(weights, batch, {});
      weight = original;
      const double numeric = (above - below) / 2e-6;
      EXPECT_NEAR(gradients.vec(p.id)[entry], numeric, 1e-6 * std::max(1.0, std::abs(numeric))) << p.name;
    }
  }
}

TEST(BatchRunner, ABatchWithoutScoredRowsHasNoLossAndNoGradient) {
  const LanguageModel<float> model(testing::small_gpt2(), kSmallVocabulary);
  ParameterBuffer<float> weights(model.layout);
  weights.all().setConstant(0.1f);
  Batch batch = ragged_batch();
  batch.scored.clear();
  batch.targets.clear();
  batch.weights.clear();
  const auto runner =
      make_runner<float>(model.config(), kSmallVocabulary, {.rows = 9, .scored = 5, .backward = Recompute::none});
  const NextToken objective;
  Gradients<float> gradients(model.layout);
  gradients.clear();
  EXPECT_EQ(BatchRunner<float>(*runner, objective).backward(weights, batch, {}, gradients), 0.0);
  gradients.finish();
  EXPECT_EQ(gradients.all().norm(), 0.0f);
}

}  // namespace
}  // namespace kiln
