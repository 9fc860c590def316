// The losses of judged answers: against PyTorch, against central differences, and where they are known exactly.
#include "train/preference_objective.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/reference.h"
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace kiln {
namespace {

using testing::reference_json;

/// Answers of these lengths, end to end, each scored in every row (or in its last row alone).
Batch batch_of(const std::vector<Index>& lengths, bool last_row_alone = false) {
  Batch batch;
  for (const Index length : lengths) {
    const Index first = batch.rows.size();
    batch.rows.append(length);
    for (Index t = last_row_alone ? length - 1 : 0; t < length; ++t) {
      batch.scored.push_back(first + t);
      batch.targets.push_back(0);
      batch.weights.push_back(1);
    }
    batch.reference.push_back(0);
  }
  return batch;
}

ObjectiveConfig objective_config(const Json& json) {
  ObjectiveConfig config;
  Problems problems;
  from_json(json, config, problems, "/objective");
  problems.throw_if_any("fixture");
  return config;
}

std::vector<double> gradient_of(const Objective& objective, const Batch& batch, const std::vector<double>& outputs) {
  std::vector<double> gradient(outputs.size());
  objective.gradient(batch, outputs, gradient);
  return gradient;
}

TEST(PreferenceObjective, GivesPyTorchsLossesAndGradients) {
  const Json fixture = reference_json("preferences");
  ASSERT_GE(fixture["cases"].size(), 10u);
  for (const auto& [name, one] : fixture["cases"].items()) {
    const ObjectiveConfig config = objective_config(one["objective"]);
    const bool is_reward = config.type == ObjectiveKind::reward;
    Batch batch = batch_of(fixture["lengths"], is_reward);
    batch.reference = fixture["reference"].get<std::vector<double>>();
    double weight = 0;
    for (const Json& c : one["comparisons"]) {
      batch.comparisons.push_back({c["chosen"], c["rejected"], c["weight"], c["probability"], c["margin"]});
      weight += batch.comparisons.back().weight;
    }
    const std::vector<double> outputs = fixture[is_reward ? "scores" : "log_probs"];
    const PreferenceObjective objective(config);
    EXPECT_NEAR(objective.loss(batch, outputs), one["loss"].get<double>(), 1e-12 * std::abs(one["loss"].get<double>()))
        << name;
    EXPECT_DOUBLE_EQ(objective.weight(batch), weight) << name;
    const std::vector<double> gradient = gradient_of(objective, batch, outputs), expected = one["gradient"];
    ASSERT_EQ(gradient.size(), expected.size()) << name;
    for (std::size_t m = 0; m < expected.size(); ++m) EXPECT_NEAR(gradient[m], expected[m], 1e-12) << name << " " << m;
  }
}

TEST(PreferenceObjective, GradientsMatchCentralDifferences) {
  constexpr double kStep = 1e-6;
  for (const ObjectiveKind kind : {ObjectiveKind::dpo, ObjectiveKind::ipo, ObjectiveKind::reward}) {
    Batch batch = batch_of({3, 1, 4}, kind == ObjectiveKind::reward);
    batch.reference = {-4, -1, -5};
    batch.comparisons = {{.chosen = 0, .rejected = {1}, .weight = 0.7, .probability = 0.9, .margin = 0.2},
                         {.chosen = 2, .rejected = {0}, .weight = 1.3}};
    ObjectiveConfig config{.type = kind, .beta = 0.4};
    if (kind != ObjectiveKind::reward) config.nll_weight = 0.3;
    const PreferenceObjective objective(config);
    std::vector<double> outputs(batch.scored.size());
    for (std::size_t m = 0; m < outputs.size(); ++m) outputs[m] = -0.5 - std::sin(static_cast<double>(m));
    const std::vector<double> gradient = gradient_of(objective, batch, outputs);
    for (std::size_t m = 0; m < outputs.size(); ++m) {
      std::vector<double> above = outputs, below = outputs;
      above[m] += kStep;
      below[m] -= kStep;
      const double slope = (objective.loss(batch, above) - objective.loss(batch, below)) / (2 * kStep);
      EXPECT_NEAR(gradient[m], slope, 1e-7) << static_cast<int>(kind) << " " << m;
    }
  }
}

/// Two answers whose log p is that of the reference.
Batch indifferent_batch() {
  Batch batch = batch_of({4, 2});
  batch.reference = {-4, -2};
  batch.comparisons = {{.chosen = 1, .rejected = {0}}};
  return batch;
}

TEST(PreferenceObjective, AModelThatIsItsReferenceHasTheKnownLosses) {
  const Batch batch = indifferent_batch();
  const std::vector<double> outputs(6, -1.0);
  for (const double beta : {0.05, 0.1, 0.5}) {
    const PreferenceObjective dpo({.type = ObjectiveKind::dpo, .beta = beta}),
        ipo({.type = ObjectiveKind::ipo, .beta = beta});
    EXPECT_DOUBLE_EQ(dpo.loss(batch, outputs), std::log(2.0));
    EXPECT_DOUBLE_EQ(ipo.loss(batch, outputs), 1 / (4 * beta * beta));
    Measures measures;
    dpo.measure(batch, outputs, measures);
    const PreferenceSums& sums = measures.preferences;
    EXPECT_DOUBLE_EQ(sums.loss, sums.indifferent);
    EXPECT_DOUBLE_EQ(sums.chosen_reward, 0);
    EXPECT_DOUBLE_EQ(sums.correct, 0);  // equal rewards are not the right order
  }
}

TEST(PreferenceObjective, RewardsAreMeasuredByTrlsNames) {
  Batch batch = indifferent_batch();
  batch.comparisons.push_back({.chosen = 0, .rejected = {1}, .weight = 3, .probability = 0.5});  // a tie
  std::vector<double> outputs{-1, -1, -1, -2, -0.5, -0.5};  // the first answer less likely, the second more
  const PreferenceObjective dpo({.type = ObjectiveKind::dpo, .beta = 0.1});
  Measures measures;
  dpo.measure(batch, outputs, measures);
  const PreferenceSums& sums = measures.preferences;
  EXPECT_DOUBLE_EQ(sums.weight, 4);
  EXPECT_DOUBLE_EQ(sums.decided_weight, 1);
  EXPECT_DOUBLE_EQ(sums.correct, 1);
  EXPECT_DOUBLE_EQ(sums.chosen_reward, 0.1 * 1 + 3 * 0.1 * -1);
  EXPECT_DOUBLE_EQ(sums.rejected_reward, 0.1 * -1 + 3 * 0.1 * 1);
  EXPECT_DOUBLE_EQ(sums.chosen_log_prob, -1 + 3 * -5);
  EXPECT_DOUBLE_EQ(sums.rejected_log_prob, -5 + 3 * -1);
}

TEST(PreferenceObjective, HugeRewardsGiveFiniteLosses) {
  Batch batch = batch_of({1, 1, 1}, true);
  batch.comparisons = {{.chosen = 0, .rejected = {1}}, {.chosen = 1, .rejected = {0, 2}}};
  const PreferenceObjective objective({.type = ObjectiveKind::reward});
  const std::vector<double> outputs{-900, 900, -900};
  EXPECT_DOUBLE_EQ(objective.loss(batch, outputs), 1800);
  const std::vector<double> gradient = gradient_of(objective, batch, outputs);
  EXPECT_DOUBLE_EQ(gradient[0], -1);
  EXPECT_DOUBLE_EQ(gradient[1], 1);
}

TEST(PreferenceObjective, TheOrderOfAnswersInABatchDoesNotMatter) {
  const ObjectiveConfig config{.type = ObjectiveKind::dpo, .beta = 0.3};
  const PreferenceObjective objective(config);
  Batch batch = batch_of({3, 2});
  batch.reference = {-3.5, -2};
  batch.comparisons = {{.chosen = 0, .rejected = {1}}};
  Batch turned = batch_of({2, 3});
  turned.reference = {-2, -3.5};
  turned.comparisons = {{.chosen = 1, .rejected = {0}}};
  const std::vector<double> outputs{-1, -2, -0.5, -0.25, -3}, turned_outputs{-0.25, -3, -1, -2, -0.5};
  EXPECT_DOUBLE_EQ(objective.loss(batch, outputs), objective.loss(turned, turned_outputs));
  std::swap(turned.comparisons[0].chosen, turned.comparisons[0].rejected[0]);  // judged the other way
  EXPECT_GT(std::abs(objective.loss(batch, outputs) - objective.loss(turned, turned_outputs)), 0.1);
}

}  // namespace
}  // namespace kiln
