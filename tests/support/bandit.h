// A choice of one token among 16, whose best policies are known exactly.
#pragma once

#include "kiln/core/rng.h"

#include "support/policy_training.h"
#include "support/random_walks.h"
#include <cmath>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

namespace kiln::testing {

inline constexpr Index kArms = 16;  // tokens; the prompt is token 0

/// A reward for each arm, and a model that has learned to choose with stated probabilities.
struct Bandit {
  Bandit() : base(std::make_shared<LanguageModel<float>>(little_llama(1, 16, 2), kArms), 1), rewards(at(kArms)) {
    Rng rng(7, "bandit");
    auto choices = std::make_shared<TokenExamples>();
    std::vector<double> probabilities;
    for (double& reward : rewards) {
      reward = rng.normal();
      probabilities.push_back(std::exp(0.7 * rng.normal()));
    }
    const double sum = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
    for (TokenId arm = 0; arm < kArms; ++arm) choices->add({0, arm}, probabilities[at(arm)] / sum);
    train(base, choices, {.steps = 300, .rows = kArms, .learning_rate = 1e-2});
    rho = probabilities_of(base);
  }

  static std::vector<double> probabilities_of(const TrainedPolicy& policy) {
    TokenRows rows;
    rows.append(1)[0] = 0;
    const Index row = 0;
    const auto runner = policy.view().make_runner({.rows = 1, .scored = 1});
    std::vector<double> p = log_probs_after(*runner, policy.view().weights, rows, std::span(&row, 1)).front();
    for (double& each : p) each = std::exp(each);
    return p;
  }

  TrainedPolicy base;
  std::vector<double> rewards;
  std::vector<double> rho;  // the base's own probabilities
};

inline double total_variation(const std::vector<double>& p, const std::vector<double>& q) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += std::abs(p[i] - q[i]) / 2;
  return sum;
}

}  // namespace kiln::testing
