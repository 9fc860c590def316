// Policy gradients where the policy that they lead to is known exactly: a bandit, and trlx's random walks.
// bench/policy_frontier.cpp is the long form.
#include "kiln/core/threads.h"

#include <gtest/gtest.h>

#include "support/bandit.h"
#include "support/rollout_training.h"
#include "support/sanitized.h"
#include "support/walk_rollouts.h"
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace kiln::testing {
namespace {

constexpr double kBeta = 0.5;

using Probabilities = std::vector<double>;

/// Returns the probabilities that a policy gradient leads to.
Probabilities tuned(const Bandit& bandit, const PolicyCourse& course) {
  const auto score = [&](const kiln::Episode& episode) { return bandit.rewards[at(episode.tokens.front())]; };
  return Bandit::probabilities_of(tune_by_rollouts(bandit.base, {{0}}, score, course));
}

/// The mean change that a step makes to a policy's logits, up to a factor.
using Drift = std::function<Probabilities(const Probabilities& p)>;

/// Follows a drift to where it ends.
Probabilities fixed_point(const Probabilities& from, const Drift& drift) {
  Probabilities z(at(kArms)), p = from;
  for (std::size_t i = 0; i < at(kArms); ++i) z[i] = std::log(from[i]);
  for (int step = 0; step < 20000; ++step) {
    const Probabilities change = drift(p);
    double largest = 0;
    for (std::size_t i = 0; i < at(kArms); ++i) {
      z[i] += 2 * change[i];
      largest = std::max(largest, std::abs(change[i]));
    }
    const double top = *std::ranges::max_element(z);
    double sum = 0;
    for (std::size_t i = 0; i < at(kArms); ++i) sum += p[i] = std::exp(z[i] - top);
    for (double& each : p) each /= sum;
    if (largest < 1e-10) break;
  }
  return p;
}

/// Returns sum_a p(a) A(a) (e_a - p), the gradient of the logits for these advantages.
Probabilities logit_gradient(const Probabilities& p, const Probabilities& advantages) {
  double mean = 0;
  for (std::size_t a = 0; a < at(kArms); ++a) mean += p[a] * advantages[a];
  Probabilities gradient(at(kArms));
  for (std::size_t a = 0; a < at(kArms); ++a) gradient[a] = p[a] * (advantages[a] - mean);
  return gradient;
}

/// Returns what the loss's own divergence adds to the advantages: minus its slope.
Probabilities loss_part(const Bandit& bandit, const Probabilities& p, KlPlace kl) {
  Probabilities part(at(kArms));
  for (std::size_t a = 0; a < at(kArms); ++a) {
    const double d = std::log(p[a] / bandit.rho[a]);
    if (kl == KlPlace::k2_in_loss) part[a] = -kBeta * d;
    if (kl == KlPlace::k3_in_loss) part[a] = -kBeta * (1 - std::exp(-d));
  }
  return part;
}

/// Returns the mean advantage of each arm in a group of 4, divided by the deviation of the group's returns: over all
/// groups that hold the arm. Exact: sums over the other three.
Probabilities mean_in_groups(const Probabilities& p, const Probabilities& returns) {
  Probabilities mean(at(kArms));
  for (std::size_t a = 0; a < at(kArms); ++a) {
    for (std::size_t i = 0; i < at(kArms); ++i) {
      for (std::size_t j = i; j < at(kArms); ++j) {
        for (std::size_t k = j; k < at(kArms); ++k) {
          const double orders = i == j && j == k ? 1 : i == j || j == k ? 3 : 6;
          const double r[] = {returns[a], returns[i], returns[j], returns[k]};
          const double m = (r[0] + r[1] + r[2] + r[3]) / 4;
          double squares = 0;
          for (const double x : r) squares += (x - m) * (x - m);
          mean[a] += orders * p[i] * p[j] * p[k] * (r[0] - m) / (std::sqrt(squares / 3) + 1e-4);
        }
      }
    }
  }
  return mean;
}

/// Returns the standard deviation of the arms' rewards.
double deviation_of_rewards(const Probabilities& p, const Probabilities& rewards) {
  double mean = 0, squares = 0;
  for (std::size_t a = 0; a < at(kArms); ++a) mean += p[a] * rewards[a];
  for (std::size_t a = 0; a < at(kArms); ++a) squares += p[a] * std::pow(rewards[a] - mean, 2);
  return std::sqrt(squares);
}

/// Returns the fixed point of a policy gradient with groups of 4, one step for each rollout. The divergence in the
/// reward is scaled with a value head's baseline alone, where it makes all advantages 0 whatever the scale.
Probabilities expected(const Bandit& bandit, const PolicyConfig& policy) {
  const double own = policy.baseline == Baseline::group_mean ? 0.75 : 1;  // the mean holds a quarter of each score
  const bool is_in_reward = policy.kl == KlPlace::k1_in_reward;
  return fixed_point(bandit.rho, [&](const Probabilities& p) {
    Probabilities gains = bandit.rewards;
    double scale = 1;
    if (policy.scale == AdvantageScale::group) {
      gains = mean_in_groups(p, bandit.rewards);
      scale = 1 / 0.75;  // r less the mean of the others is 4/3 (r - mean)
    }
    const bool is_scaled =
        policy.scale == AdvantageScale::batch && !(is_in_reward && policy.baseline == Baseline::value);
    if (is_scaled) scale = 1 / deviation_of_rewards(p, bandit.rewards);
    Probabilities advantages = loss_part(bandit, p, policy.kl);
    for (std::size_t a = 0; a < at(kArms); ++a) {
      const double penalty = is_in_reward ? kBeta * std::log(p[a] / bandit.rho[a]) : 0;
      advantages[a] += own * (scale * gains[a] - penalty);
    }
    return logit_gradient(p, advantages);
  });
}

TEST(PolicyOptimum, OfABanditIsReachedByEveryBaselineScaleAndPlaceOfTheDivergence) {
  if (kSanitized) GTEST_SKIP() << "minutes of arithmetic";
  const SingleThreadScope few_numbers;  // too few to share
  const Bandit bandit;
  for (const Baseline baseline : {Baseline::group_mean, Baseline::leave_one_out, Baseline::value}) {
    for (const AdvantageScale scale : {AdvantageScale::none, AdvantageScale::group, AdvantageScale::batch}) {
      if (baseline == Baseline::value && scale == AdvantageScale::group) continue;
      for (const KlPlace kl : {KlPlace::k1_in_reward, KlPlace::k2_in_loss, KlPlace::k3_in_loss}) {
        PolicyConfig policy{
            .prompts = 64, .answers = 4, .max_tokens = 1, .passes = 1, .baseline = baseline, .scale = scale, .kl = kl};
        const Probabilities found =
            tuned(bandit, {.beta = kBeta, .policy = policy, .rollouts = 600, .rows = 256, .learning_rate = 1e-2});
        const Probabilities wanted = expected(bandit, policy);
        EXPECT_GT(total_variation(bandit.rho, wanted), 0.1);  // so that the bar means something
        EXPECT_LT(total_variation(found, wanted), 0.02)
            << name_of(baseline) << ", " << name_of(scale) << ", " << name_of(kl);
      }
    }
  }
}

TEST(PolicyOptimum, OfRandomWalksIsReached) {
  if (kSanitized) GTEST_SKIP() << "minutes of arithmetic";
  constexpr double kWalkBeta = 0.2;
  set_threads(2);
  const WalkTree tree{WalkGraph(1000)};
  const TrainedPolicy base = learn_walks(tree, {.steps = 120, .learning_rate = 5e-3});
  EXPECT_LE(base.model->layout.count(), 200'000);
  const WalkPolicy rho = policy_of(base, tree);
  const std::vector<RewardLaw> laws = reward_laws(tree, rho);
  const Walks walks = walks_of(tree);
  for (const ObjectiveKind type : {ObjectiveKind::rloo, ObjectiveKind::ppo}) {
    const TrainedPolicy policy =
        tune_by_rollouts(base, walks.prompts, walks.score,
                         {.type = type,
                          .beta = kWalkBeta,
                          .policy = {.prompts = 20, .answers = 16, .max_tokens = kLongestWalk - 1, .passes = 1},
                          .rollouts = 150,
                          .learning_rate = 2e-3,
                          .ends = walks.ends});
    const Outcome found = outcome(tree, policy_of(policy, tree), rho);
    const double start = mean_reward(laws), most = frontier(laws, found.divergence);
    EXPECT_LE(found.reward, most + 1e-6);  // no policy is above the frontier
    EXPECT_GT((found.reward - start) / (most - start), 0.9) << name_of(type);
    EXPECT_NEAR(found.divergence / optimum(laws, kWalkBeta).divergence, 1, 0.3) << name_of(type);
  }
}

}  // namespace
}  // namespace kiln::testing
