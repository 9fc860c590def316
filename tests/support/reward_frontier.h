// The best rewards that a policy can reach at a divergence from its base, from the base's rewards alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace kiln::testing {

/// A reward and its probability.
struct RewardMass {
  double reward = 0, mass = 0;
};

/// The rewards of a base policy's answers to one prompt, ascending, each once.
using RewardLaw = std::vector<RewardMass>;

/// What a policy reaches: its mean reward, and its divergence KL(policy | base) in nats.
struct Outcome {
  double reward = 0, divergence = 0;
};

/// Returns the mean over the prompts of what `of` returns for each law.
template <class Of>
Outcome mean_outcome(const std::vector<RewardLaw>& laws, Of&& of) {
  Outcome mean;
  for (const RewardLaw& law : laws) {
    const Outcome one = of(law);
    mean.reward += one.reward / static_cast<double>(laws.size());
    mean.divergence += one.divergence / static_cast<double>(laws.size());
  }
  return mean;
}

/// Returns the base's own mean reward.
inline double mean_reward(const std::vector<RewardLaw>& laws) {
  return mean_outcome(laws,
                      [](const RewardLaw& law) {
                        Outcome base;
                        for (const RewardMass& one : law) base.reward += one.mass * one.reward;
                        return base;
                      })
      .reward;
}

/// Returns what the policy reaches that maximises reward - beta * divergence: base * exp(reward / beta) / Z.
inline Outcome optimum(const std::vector<RewardLaw>& laws, double beta) {
  return mean_outcome(laws, [beta](const RewardLaw& law) {
    const double best = law.back().reward;
    double z = 0, reward = 0;  // Z over exp(best / beta)
    for (const RewardMass& one : law) {
      const double share = one.mass * std::exp((one.reward - best) / beta);
      z += share;
      reward += share * one.reward;
    }
    reward /= z;
    return Outcome{reward, (reward - best) / beta - std::log(z)};
  });
}

/// Returns what the best of n answers of the base reaches. Of equally good ones it takes any.
inline Outcome best_of(const std::vector<RewardLaw>& laws, int n) {
  return mean_outcome(laws, [n](const RewardLaw& law) {
    Outcome best;
    double below = 0;
    for (const RewardMass& one : law) {
      if (one.mass == 0) continue;
      const double p = std::pow(below + one.mass, n) - std::pow(below, n);
      below += one.mass;
      best.reward += p * one.reward;
      if (p > 0) best.divergence += p * std::log(p / one.mass);
    }
    return best;
  });
}

/// Returns the greatest mean reward of any policy with this divergence or less.
inline double frontier(const std::vector<RewardLaw>& laws, double divergence) {
  double low = std::log(1e-3), high = std::log(1e3);  // of log beta: the divergence falls as it rises
  const Outcome end = optimum(laws, std::exp(low));
  if (divergence >= end.divergence) return end.reward;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (optimum(laws, std::exp(middle)).divergence > divergence ? low : high) = middle;
  }
  return optimum(laws, std::exp(high)).reward;
}

}  // namespace kiln::testing
