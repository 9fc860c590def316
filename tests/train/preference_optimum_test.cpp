// Preference objectives where the policy that they lead to is known exactly: a bandit, and trlx's random walks.
// bench/preference_frontier.cpp is the long form.
#include "kiln/core/rng.h"

#include <gtest/gtest.h>

#include "support/bandit.h"
#include "support/sanitized.h"
#include "support/walk_training.h"
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

namespace kiln::testing {
namespace {

constexpr double kBanditBeta = 0.5;

/// Returns the probabilities that an objective leads to, if any two arms are compared as often as the base draws them.
std::vector<double> tuned(const Bandit& bandit, ObjectiveKind kind) {
  EncodedPrompt prompt{.prompt = {0}, .answers = {}, .comparisons = {}, .census = {}, .place = "bandit"};
  for (TokenId a = 0; a < kArms; ++a) {
    prompt.answers.push_back({a});
    for (TokenId b = 0; b < a; ++b) {
      prompt.comparisons.push_back(compare(a, b, bandit.rewards[at(a)], bandit.rewards[at(b)]));
      prompt.comparisons.back().weight = bandit.rho[at(a)] * bandit.rho[at(b)];
    }
  }
  const auto pairs = std::make_shared<EncodedPreferences>(
      PreferenceEncoding{.weight_of = WeightOf::comparison, .n_ctx = 2, .rows = kArms});
  pairs->add(prompt);
  return Bandit::probabilities_of(
      tune(bandit.base, pairs,
           {.objective = {.type = kind, .beta = kBanditBeta}, .steps = 600, .rows = kArms, .learning_rate = 1e-2}));
}

/// Returns the base times exp(gains), over its sum.
std::vector<double> tilted_by(const Bandit& bandit, const std::vector<double>& gains) {
  std::vector<double> p(at(kArms));
  for (std::size_t i = 0; i < p.size(); ++i) p[i] = bandit.rho[i] * std::exp(gains[i]);
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& each : p) each /= sum;
  return p;
}

// With h = log(pi / rho) and p_ij = sigmoid(r_i - r_j), the loss's gradient in h_i,
//   beta rho_i sum_j rho_j (sigmoid(beta (h_i - h_j)) - p_ij),
// is 0 where beta (h_i - h_j) = r_i - r_j: h = r / beta + const.
std::vector<double> dpo_gains(const Bandit& bandit) {
  std::vector<double> gains = bandit.rewards;
  for (double& gain : gains) gain /= kBanditBeta;
  return gains;
}

// p (d - t)^2 + (1 - p) (d + t)^2 with d = h_i - h_j and t = 1 / (2 beta) is (d - m_ij)^2 + const, with
// m_ij = (2 p_ij - 1) / (2 beta). The gradient in h_i, 2 rho_i sum_j rho_j (h_i - h_j - m_ij), is 0 where
// h_i = sum_j rho_j m_ij + sum_j rho_j h_j, whose last term is the same for all i: the weighted least squares of h.
std::vector<double> ipo_gains(const Bandit& bandit) {
  std::vector<double> gains(at(kArms), 0.0);
  for (std::size_t i = 0; i < gains.size(); ++i) {
    for (std::size_t j = 0; j < gains.size(); ++j) {
      const double p = 1 / (1 + std::exp(bandit.rewards[j] - bandit.rewards[i]));
      gains[i] += bandit.rho[j] * (2 * p - 1) / (2 * kBanditBeta);
    }
  }
  return gains;
}

TEST(PreferenceOptimum, OfABanditIsReachedByDpoAndByIpo) {
  const SingleThreadScope few_numbers;  // too few to share
  const Bandit bandit;
  const std::vector<double> dpo = tilted_by(bandit, dpo_gains(bandit)), ipo = tilted_by(bandit, ipo_gains(bandit));
  EXPECT_GT(total_variation(bandit.rho, ipo), 0.1);  // so that the bars below mean something
  EXPECT_GT(total_variation(dpo, ipo), 0.1);
  EXPECT_LT(total_variation(tuned(bandit, ObjectiveKind::dpo), dpo), 0.001);
  EXPECT_LT(total_variation(tuned(bandit, ObjectiveKind::ipo), ipo), 0.001);
}

/// What shared figures say of uniform walks on a graph, to four digits.
struct WalkAnchor {
  std::uint32_t seed;
  Index edges;
  double base, shortest;
  std::vector<std::pair<double, Outcome>> optima;  // by beta
  std::vector<std::pair<int, double>> best_of;     // rewards, by n
};

const std::vector<WalkAnchor>& walk_anchors() {
  static const std::vector<WalkAnchor> anchors{
      {1000,
       51,
       0.3462,
       0.1833,
       {{1, {0.5068, 0.0815}}, {0.5, {0.6623, 0.3128}}, {0.2, {0.9070, 1.0865}}, {0.1, {0.9749, 1.5408}}},
       {{1, 0.3462}, {2, 0.5468}, {4, 0.7527}, {16, 0.9671}}},
      {1002,
       42,
       0.7852,
       0.5366,
       {{1, {0.8359, 0.0243}}, {0.5, {0.8750, 0.0821}}, {0.2, {0.9436, 0.3078}}, {0.1, {0.9835, 0.5855}}},
       {{1, 0.7852}, {2, 0.8883}, {4, 0.9509}, {16, 0.9958}}}};
  return anchors;
}

TEST(RandomWalks, UniformWalksHaveThePublishedGraphsFrontiers) {  // computed by another program, by walk lengths alone
  for (const WalkAnchor& anchor : walk_anchors()) {
    const WalkTree tree{WalkGraph(anchor.seed)};
    EXPECT_EQ(tree.graph().edges(), anchor.edges);
    const std::vector<RewardLaw> laws = reward_laws(tree, uniform_walks(tree));
    EXPECT_NEAR(mean_reward(laws), anchor.base, 5e-5);
    double shortest = 0;
    for (const RewardLaw& law : laws) shortest += law.back().mass / static_cast<double>(laws.size());
    EXPECT_NEAR(shortest, anchor.shortest, 5e-5);
    for (const auto& [beta, expected] : anchor.optima) {
      const Outcome found = optimum(laws, beta);
      EXPECT_NEAR(found.reward, expected.reward, 6e-5) << beta;
      EXPECT_NEAR(found.divergence, expected.divergence, 6e-5) << beta;
      EXPECT_NEAR(frontier(laws, found.divergence), found.reward, 1e-9) << beta;
    }
    EXPECT_NEAR(frontier(laws, 50), 1, 1e-9);  // beyond its end: always the shortest walk
    for (const auto& [n, reward] : anchor.best_of) EXPECT_NEAR(best_of(laws, n).reward, reward, 6e-5) << n;
  }
}

TEST(RandomWalks, ATiltedTreeIsTheOptimumTokenByToken) {
  const WalkTree tree{WalkGraph(1000)};
  const WalkPolicy base = uniform_walks(tree);
  const std::vector<RewardLaw> laws = reward_laws(tree, base);
  for (const double beta : {1.0, 0.2}) {
    const Outcome found = outcome(tree, tilted(tree, base, beta), base), expected = optimum(laws, beta);
    EXPECT_NEAR(found.reward, expected.reward, 1e-9);
    EXPECT_NEAR(found.divergence, expected.divergence, 1e-9);
  }
}

TEST(RandomWalks, TheBestOfNDrawnEpisodesIsItsExpectation) {
  const WalkTree tree{WalkGraph(1000)};
  const WalkPolicy base = uniform_walks(tree);
  const std::vector<RewardLaw> laws = reward_laws(tree, base);
  for (const int n : {1, 4, 16}) {
    const SampledMean found = sample_best_of(tree, base, n, 100, 3);
    EXPECT_NEAR(found.mean, best_of(laws, n).reward, 4 * found.error) << n;
    EXPECT_LT(found.error, 0.012) << n;
    EXPECT_LE(best_of(laws, n).divergence, std::log(n) - (n - 1.0) / n + 1e-12) << n;  // arXiv:2401.01879
  }
}

TEST(PreferenceOptimum, OfRandomWalksIsReachedByDpo) {
  if (kSanitized) GTEST_SKIP() << "minutes of arithmetic";
  constexpr double kBeta = 0.2, kNear = 0.15;  // nats from the optimum
  set_threads(2);
  const WalkTree tree{WalkGraph(1000)};
  const TrainedPolicy base = learn_walks(tree, {.steps = 120, .learning_rate = 5e-3});
  EXPECT_LE(base.model->layout.count(), 200'000);
  const WalkPolicy rho = policy_of(base, tree);
  EXPECT_LT(divergence(tree, uniform_walks(tree), rho), 0.1);
  const WalkPolicy best = tilted(tree, rho, kBeta);
  for (const double other : {2 * kBeta, kBeta / 2}) {  // so that the bar tells one beta from another
    EXPECT_GT(divergence(tree, best, tilted(tree, rho, other)), kNear) << other;
  }

  const auto judged = judge_walks(tree, rho, {.prompts = 3200, .episodes = 8, .rows = 512});
  const TrainedPolicy policy = tune(
      base, judged,
      {.objective = {.type = ObjectiveKind::dpo, .beta = kBeta}, .steps = 300, .rows = 512, .learning_rate = 2e-3});
  const WalkPolicy pi = policy_of(policy, tree);
  const std::vector<RewardLaw> laws = reward_laws(tree, rho);
  const Outcome found = outcome(tree, pi, rho);
  const double start = mean_reward(laws), most = frontier(laws, found.divergence);
  EXPECT_LE(found.reward, most + 1e-6);  // no policy is above the frontier
  EXPECT_GT((found.reward - start) / (most - start), 0.8);
  EXPECT_NEAR(found.divergence / optimum(laws, kBeta).divergence, 1, 0.25);
  EXPECT_LT(divergence(tree, best, pi), kNear);
}

}  // namespace
}  // namespace kiln::testing
