// Advantages and the loss of policy gradients: against PyTorch, against central differences, and by hand.
#include "train/policy_objective.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/reference.h"
#include "train/episode.h"
#include <cmath>
#include <string>
#include <vector>

namespace kiln {
namespace {

using testing::reference_json;

/// Part i of numbers that belong to episodes of these lengths.
std::vector<double> part(const Json& numbers, const std::vector<Index>& lengths, std::size_t i) {
  Index first = 0;
  for (std::size_t k = 0; k < i; ++k) first += lengths[k];
  const auto all = numbers.get<std::vector<double>>();
  return {all.begin() + first, all.begin() + first + lengths[i]};
}

std::vector<Episode> episodes_of(const Json& fixture, bool has_values) {
  const auto lengths = fixture["lengths"].get<std::vector<Index>>();
  std::vector<Episode> episodes(lengths.size());
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    episodes[i].tokens.resize(static_cast<std::size_t>(lengths[i]));
    episodes[i].score = fixture["scores"][i];
    episodes[i].behaviour = part(fixture["behaviour"], lengths, i);
    episodes[i].reference = part(fixture["reference"], lengths, i);
    if (has_values) episodes[i].values = part(fixture["old_values"], lengths, i);
  }
  return episodes;
}

PolicyConfig policy_of(const Json& json, const Json& fixture) {
  PolicyConfig policy;
  Problems problems;
  from_json(json, policy, problems, "/policy");
  problems.throw_if_any("fixture");
  policy.answers = fixture["group"];
  policy.max_tokens = fixture["max_tokens"];
  return policy;
}

/// Lays episodes end to end, each token scored.
Batch batch_of(const std::vector<Episode>& episodes, const PolicyConfig& policy, double kl_weight) {
  Batch batch;
  DrawnRows& drawn = batch.drawn;
  drawn.kl_weight = kl_weight;
  const auto add = [](std::vector<double>& all, const std::vector<double>& more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  for (const Episode& episode : episodes) {
    const auto n = std::ssize(episode.tokens);
    const Index first = batch.rows.size();
    batch.rows.append(n);
    const double weight = policy.loss_type == LossType::dapo   ? 1
                          : policy.loss_type == LossType::grpo ? 1 / static_cast<double>(n)
                                                               : 1 / static_cast<double>(policy.max_tokens);
    for (Index t = 0; t < n; ++t) {
      batch.scored.push_back(first + t);
      batch.targets.push_back(0);
      batch.weights.push_back(static_cast<float>(weight));
    }
    add(drawn.behaviour, episode.behaviour);
    add(drawn.advantages, episode.advantages);
    add(drawn.values, episode.values);
    add(drawn.returns, episode.returns);
    if (policy.kl != KlPlace::k1_in_reward) add(drawn.reference, episode.reference);
  }
  return batch;
}

std::vector<double> gradient_of_drawn(const Objective& objective, const Batch& batch,
                                      const std::vector<double>& outputs) {
  std::vector<double> gradient(outputs.size());
  objective.gradient(batch, outputs, gradient);
  return gradient;
}

void expect_near(const std::vector<double>& found, const std::vector<double>& expected, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], tolerance) << what << " " << i;
}

TEST(PolicyObjective, GivesPyTorchsAdvantagesLossesAndGradients) {
  constexpr double kFloatWeights = 1e-7;  // 1/n in float
  const Json fixture = reference_json("policy");
  ASSERT_GE(fixture["cases"].size(), 10u);
  for (const auto& [name, one] : fixture["cases"].items()) {
    const PolicyConfig policy = policy_of(one["policy"], fixture);
    const bool has_values = policy.baseline == Baseline::value;
    std::vector<Episode> episodes = episodes_of(fixture, has_values);
    set_advantages(episodes, policy, fixture["beta"]);
    const Batch batch = batch_of(episodes, policy, fixture["beta"]);
    expect_near(batch.drawn.advantages, one["advantages"], 1e-12, name + " advantages");
    std::vector<double> outputs = fixture["log_probs"], expected = one["gradient"];
    if (has_values) {
      expect_near(batch.drawn.returns, one["returns"], 1e-12, name + " returns");
      for (const double value : fixture["values"]) outputs.push_back(value);
      for (const double slope : one["value_gradient"]) expected.push_back(slope);
    }
    const PolicyObjective objective(policy);
    EXPECT_NEAR(objective.loss(batch, outputs), one["loss"].get<double>(), kFloatWeights) << name;
    EXPECT_NEAR(objective.weight(batch), one["weight"].get<double>(), 10 * kFloatWeights) << name;
    expect_near(gradient_of_drawn(objective, batch, outputs), expected, kFloatWeights, name + " gradient");
  }
}

TEST(PolicyObjective, GradientsMatchCentralDifferences) {
  constexpr double kStep = 1e-6;
  const Json fixture = reference_json("policy");
  for (const auto& [name, one] : fixture["cases"].items()) {
    const PolicyConfig policy = policy_of(one["policy"], fixture);
    const bool has_values = policy.baseline == Baseline::value;
    std::vector<Episode> episodes = episodes_of(fixture, has_values);
    set_advantages(episodes, policy, fixture["beta"]);
    const Batch batch = batch_of(episodes, policy, fixture["beta"]);
    std::vector<double> outputs = fixture["log_probs"];
    if (has_values) {
      for (const double value : fixture["values"]) outputs.push_back(value);
    }
    const PolicyObjective objective(policy);
    const std::vector<double> gradient = gradient_of_drawn(objective, batch, outputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      std::vector<double> above = outputs, below = outputs;
      above[i] += kStep;
      below[i] -= kStep;
      const double slope = (objective.loss(batch, above) - objective.loss(batch, below)) / (2 * kStep);
      EXPECT_NEAR(gradient[i], slope, 1e-8) << name << " " << i;
    }
  }
}

/// Episodes of one token each, with these scores.
std::vector<Episode> scored(const std::vector<double>& scores) {
  std::vector<Episode> episodes(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    episodes[i].tokens = {0};
    episodes[i].score = scores[i];
    episodes[i].behaviour = {-1};
  }
  return episodes;
}

std::vector<double> advantages_of(std::vector<Episode> episodes, const PolicyConfig& policy, double beta = 0) {
  set_advantages(episodes, policy, beta);
  std::vector<double> advantages;
  for (const Episode& episode : episodes) advantages.push_back(episode.advantages.front());
  return advantages;
}

TEST(Advantages, AreCentredInEachGroup) {
  PolicyConfig policy{.answers = 2, .baseline = Baseline::group_mean, .scale = AdvantageScale::none};
  expect_near(advantages_of(scored({1, 3, 10, 10}), policy), {-1, 1, 0, 0}, 1e-15, "group mean");
  policy.baseline = Baseline::leave_one_out;
  expect_near(advantages_of(scored({1, 3, 10, 10}), policy), {-2, 2, 0, 0}, 1e-15, "leave one out");
}

TEST(Advantages, OfEqualScoresAreZeroUnderEachScale) {
  for (const AdvantageScale scale : {AdvantageScale::none, AdvantageScale::group, AdvantageScale::batch}) {
    const PolicyConfig policy{.answers = 4, .baseline = Baseline::group_mean, .scale = scale};
    expect_near(advantages_of(scored({2, 2, 2, 2}), policy), {0, 0, 0, 0}, 0, "equal");
  }
}

TEST(Advantages, OfEqualScoresAreTheDivergenceAloneUnderEachScale) {
  for (const AdvantageScale scale : {AdvantageScale::none, AdvantageScale::group, AdvantageScale::batch}) {
    std::vector<Episode> episodes = scored({2, 2, 2, 2});
    for (std::size_t i = 0; i < episodes.size(); ++i) episodes[i].reference = {-1.0 - 0.1 * static_cast<double>(i)};
    const PolicyConfig policy{.answers = 4, .baseline = Baseline::group_mean, .scale = scale};
    expect_near(advantages_of(episodes, policy, 0.1), {0.015, 0.005, -0.005, -0.015}, 1e-15, "equal scores");
  }
}

// Of each token the divergence from it on counts, not that before it, whose gradient has no part in this token.
TEST(Advantages, TakeTheDivergenceToTheEnd) {
  std::vector<Episode> episodes = scored({0, 0});
  for (Episode& episode : episodes) {
    episode.tokens = {0, 0};
    episode.behaviour = {-1, -2};
    episode.reference = {-1, -2};
  }
  episodes[0].reference = {-1.5, -4};  // 0.5 and 2 nats less likely
  set_advantages(episodes, {.answers = 2, .baseline = Baseline::group_mean, .scale = AdvantageScale::none}, 0.1);
  expect_near(episodes[0].advantages, {-0.25 + 0.125, -0.2 + 0.125}, 1e-15, "first");
  expect_near(episodes[1].advantages, {0.125, 0.125}, 1e-15, "second");
  EXPECT_DOUBLE_EQ(divergence_of(episodes[0]), 2.5);
}

TEST(Advantages, OfValuesEndWithTheEpisode) {
  std::vector<Episode> episodes = scored({5, 7});
  episodes[0].values = {2};
  episodes[1].values = {100};  // another episode's value follows in memory, and must not count
  set_advantages(episodes, {.answers = 1, .baseline = Baseline::value, .scale = AdvantageScale::none}, 0);
  expect_near(episodes[0].advantages, {3}, 0, "advantage");
  expect_near(episodes[0].returns, {5}, 0, "return");
}

TEST(PolicyObjective, CountsTokensBeyondTheClipWhereTheAdvantageFavoursThem) {
  std::vector<Episode> episodes = scored({1, 1, 1, 1});
  const std::vector<double> advantages{1, 1, -1, -1}, outputs{-1 + 0.3, -1 - 0.3, -1 + 0.3, -1 - 0.3};
  for (std::size_t i = 0; i < episodes.size(); ++i) episodes[i].advantages = {advantages[i]};
  PolicyConfig policy{.clip_low = 0.2, .clip_high = 0.2};
  const PolicyObjective objective(policy);
  const Batch batch = batch_of(episodes, policy, 0);
  Measures measures;
  objective.measure(batch, outputs, measures);
  EXPECT_EQ(measures.policy.tokens, 4);
  EXPECT_EQ(measures.policy.high, 1);
  EXPECT_EQ(measures.policy.low, 1);
  EXPECT_NEAR(measures.policy.largest_log_ratio, 0.3, 1e-15);
  const std::vector<double> gradient = gradient_of_drawn(objective, batch, outputs);
  EXPECT_EQ(gradient[0], 0);  // likely enough
  EXPECT_EQ(gradient[3], 0);  // unlikely enough
  EXPECT_NE(gradient[1], 0);
  EXPECT_NE(gradient[2], 0);
}

}  // namespace
}  // namespace kiln
