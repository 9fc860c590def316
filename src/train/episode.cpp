// Works backwards through each answer, then compares the answers of a group.
#include "train/episode.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace kiln {
namespace {

constexpr double kLeastDeviation = 1e-4;  // added, so that equal returns are not divided by 0 (as in TRL)

double average(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Returns the standard deviation of a sample; 0 of a single value.
double sample_deviation(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double mean = average(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

/// Returns the reward of each token.
std::vector<double> rewards_of(const Episode& episode, const PolicyConfig& config, double kl_weight) {
  std::vector<double> rewards(episode.tokens.size(), 0.0);
  if (config.kl == KlPlace::k1_in_reward && !episode.reference.empty()) {
    for (std::size_t t = 0; t < rewards.size(); ++t) {
      rewards[t] -= kl_weight * (episode.behaviour[t] - episode.reference[t]);
    }
  }
  rewards.back() += episode.score;
  return rewards;
}

/// Turns rewards into the sums from each token on.
void sum_from_the_end(std::vector<double>& rewards) {
  for (std::size_t t = rewards.size() - 1; t-- > 0;) rewards[t] += rewards[t + 1];
}

/// Sets the advantages of a group to the returns less their baseline.
void compare_group(std::span<Episode> group, const PolicyConfig& config) {
  std::vector<double> returns;  // of whole answers
  for (const Episode& episode : group) returns.push_back(episode.advantages.front());
  const double mean = average(returns), n = static_cast<double>(group.size());
  const double scale = config.scale == AdvantageScale::group ? 1 / (sample_deviation(returns) + kLeastDeviation) : 1;
  for (std::size_t i = 0; i < group.size(); ++i) {
    const double others = (n * mean - returns[i]) / (n - 1);
    const double baseline = config.baseline == Baseline::leave_one_out ? others : mean;
    for (double& advantage : group[i].advantages) advantage = scale * (advantage - baseline);
  }
}

/// Sets advantages by GAE, from the tokens' rewards, and returns.
void estimate(Episode& episode, const std::vector<double>& rewards, const PolicyConfig& config) {
  const std::size_t n = rewards.size();
  assert(episode.values.size() == n);
  episode.advantages.resize(n);
  episode.returns.resize(n);
  double later = 0, next_value = 0;
  for (std::size_t t = n; t-- > 0;) {
    const double error = rewards[t] + config.gamma * next_value - episode.values[t];
    later = error + config.gamma * config.gae_lambda * later;
    next_value = episode.values[t];
    episode.advantages[t] = later;
    episode.returns[t] = later + episode.values[t];
  }
}

/// Shifts all tokens' advantages to the mean 0, and divides them by their deviation.
void whiten(std::span<Episode> episodes) {
  std::vector<double> all;
  for (const Episode& episode : episodes) all.insert(all.end(), episode.advantages.begin(), episode.advantages.end());
  const double mean = average(all), scale = 1 / (sample_deviation(all) + kLeastDeviation);
  for (Episode& episode : episodes) {
    for (double& advantage : episode.advantages) advantage = scale * (advantage - mean);
  }
}

/// Divides all advantages by the deviation of the whole answers' returns.
void divide_by_deviation(std::span<Episode> episodes, std::span<const double> returns) {
  const double scale = 1 / (sample_deviation(returns) + kLeastDeviation);
  for (Episode& episode : episodes) {
    for (double& advantage : episode.advantages) advantage *= scale;
  }
}

}  // namespace

void set_advantages(std::span<Episode> episodes, const PolicyConfig& config, double kl_weight) {
  const auto group = static_cast<std::size_t>(config.answers);
  assert(episodes.size() % group == 0);
  if (config.baseline == Baseline::value) {
    for (Episode& episode : episodes) estimate(episode, rewards_of(episode, config, kl_weight), config);
    if (config.scale == AdvantageScale::batch) return whiten(episodes);
    return;
  }
  std::vector<double> returns;  // of whole answers
  for (Episode& episode : episodes) {
    episode.advantages = rewards_of(episode, config, kl_weight);
    sum_from_the_end(episode.advantages);
    returns.push_back(episode.advantages.front());
  }
  for (std::size_t first = 0; first < episodes.size(); first += group) {
    compare_group(episodes.subspan(first, group), config);
  }
  if (config.scale == AdvantageScale::batch) divide_by_deviation(episodes, returns);
}

double divergence_of(const Episode& episode) {
  double sum = 0;
  for (std::size_t t = 0; t < episode.reference.size(); ++t) sum += episode.behaviour[t] - episode.reference[t];
  return sum;
}

}  // namespace kiln
