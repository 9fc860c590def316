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

/// Returns beta times the divergence of each token, where it is part of the reward.
std::vector<double> penalties_of(const Episode& episode, const PolicyConfig& config, double kl_weight) {
  std::vector<double> penalties(episode.tokens.size(), 0.0);
  if (config.kl != KlPlace::k1_in_reward || episode.reference.empty()) return penalties;
  for (std::size_t t = 0; t < penalties.size(); ++t) {
    penalties[t] = kl_weight * (episode.behaviour[t] - episode.reference[t]);
  }
  return penalties;
}

/// Turns numbers of tokens into the sums from each token on.
void sum_from_the_end(std::vector<double>& numbers) {
  for (std::size_t t = numbers.size() - 1; t-- > 0;) numbers[t] += numbers[t + 1];
}

/// Sets the advantages of a group: its scores less their baseline, times `scale`, less the divergence to the end, less
/// its baseline.
void compare_group(std::span<Episode> group, const PolicyConfig& config, double kl_weight, double scale) {
  std::vector<double> scores, penalties;  // of whole answers
  for (Episode& episode : group) {
    episode.advantages = penalties_of(episode, config, kl_weight);
    sum_from_the_end(episode.advantages);
    scores.push_back(episode.score);
    penalties.push_back(episode.advantages.front());
  }
  if (config.scale == AdvantageScale::group) scale = 1 / (sample_deviation(scores) + kLeastDeviation);
  const auto n = static_cast<double>(group.size());
  const auto baseline = [&](std::span<const double> values, std::size_t i) {
    const double mean = average(values), others = (n * mean - values[i]) / (n - 1);
    return config.baseline == Baseline::leave_one_out ? others : mean;
  };
  for (std::size_t i = 0; i < group.size(); ++i) {
    const double gain = scale * (scores[i] - baseline(scores, i)), expected = baseline(penalties, i);
    for (double& advantage : group[i].advantages) advantage = gain - (advantage - expected);
  }
}

/// Returns the reward of each token.
std::vector<double> rewards_of(const Episode& episode, const PolicyConfig& config, double kl_weight) {
  std::vector<double> rewards = penalties_of(episode, config, kl_weight);
  for (double& reward : rewards) reward = -reward;
  rewards.back() += episode.score;
  return rewards;
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

}  // namespace

void set_advantages(std::span<Episode> episodes, const PolicyConfig& config, double kl_weight) {
  const auto group = static_cast<std::size_t>(config.answers);
  assert(episodes.size() % group == 0);
  if (config.baseline == Baseline::value) {
    for (Episode& episode : episodes) estimate(episode, rewards_of(episode, config, kl_weight), config);
    if (config.scale == AdvantageScale::batch) whiten(episodes);
    return;
  }
  double scale = 1;
  if (config.scale == AdvantageScale::batch) {
    std::vector<double> scores;
    for (const Episode& episode : episodes) scores.push_back(episode.score);
    scale = 1 / (sample_deviation(scores) + kLeastDeviation);
  }
  for (std::size_t first = 0; first < episodes.size(); first += group) {
    compare_group(episodes.subspan(first, group), config, kl_weight, scale);
  }
}

double divergence_of(const Episode& episode) {
  double sum = 0;
  for (std::size_t t = 0; t < episode.reference.size(); ++t) sum += episode.behaviour[t] - episode.reference[t];
  return sum;
}

}  // namespace kiln
