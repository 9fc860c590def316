// Sums each answer's outputs to its reward, and compares rewards.
#include "train/preference_objective.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace kiln {

PreferenceObjective::Answers PreferenceObjective::answers_of(const Batch& batch,
                                                             std::span<const double> outputs) const {
  assert(!scores_tokens() || batch.reference.size() == batch.rows.sequences.size());
  Answers answers;
  std::size_t m = 0;
  for (const Sequence& sequence : batch.rows.sequences) {
    answers.begins.push_back(m);
    double sum = 0;
    for (; m < outputs.size() && batch.scored[m] < sequence.row + sequence.length; ++m) sum += outputs[m];
    const std::size_t s = answers.sums.size();
    answers.sums.push_back(sum);
    answers.sizes.push_back(static_cast<double>(m - answers.begins.back()));
    if (!scores_tokens()) {
      answers.rewards.push_back(sum);
      continue;
    }
    const double gain = sum - batch.reference[s];
    answers.rewards.push_back(config_.type == ObjectiveKind::dpo ? config_.beta * gain : gain / answers.sizes[s]);
  }
  answers.begins.push_back(m);
  return answers;
}

/// Returns the loss of a comparison, and adds weight times its gradient to d_rewards, unless that is empty.
double PreferenceObjective::compare(const Comparison& comparison, std::span<const double> rewards,
                                    std::span<double> d_rewards) const {
  const auto chosen = static_cast<std::size_t>(comparison.chosen);
  const auto add = [&](Index answer, double slope) {  // of the loss with respect to d
    if (d_rewards.empty()) return;
    d_rewards[chosen] += comparison.weight * slope;
    d_rewards[static_cast<std::size_t>(answer)] -= comparison.weight * slope;
  };
  const auto difference = [&](Index answer) {
    return rewards[chosen] - rewards[static_cast<std::size_t>(answer)] - comparison.margin;
  };
  const double smoothing = config_.label_smoothing;
  const double p = comparison.probability * (1 - smoothing) + (1 - comparison.probability) * smoothing;
  if (config_.type == ObjectiveKind::ipo) {
    const Index rejected = comparison.rejected.front();
    const double d = difference(rejected), target = 1 / (2 * config_.beta);
    add(rejected, 2 * p * (d - target) + 2 * (1 - p) * (d + target));
    return p * std::pow(d - target, 2) + (1 - p) * std::pow(d + target, 2);
  }
  // With z_j = -d_j: log(1 + sum_j e^z_j), and for a pair judged the other way log(1 + e^d).
  double most = 0;
  for (const Index answer : comparison.rejected) most = std::max(most, -difference(answer));
  double sum = std::exp(-most);
  for (const Index answer : comparison.rejected) sum += std::exp(-difference(answer) - most);
  double loss = p * (most + std::log(sum));
  for (const Index answer : comparison.rejected) {
    const double d = difference(answer);
    add(answer, -p * std::exp(-d - most) / sum + (1 - p) / (1 + std::exp(-d)));
    if (p < 1) loss += (1 - p) * (std::max(d, 0.0) + std::log1p(std::exp(-std::abs(d))));
  }
  return loss;
}

double PreferenceObjective::weight(const Batch& batch) const {
  double sum = 0;
  for (const Comparison& comparison : batch.comparisons) sum += comparison.weight;
  return sum;
}

std::vector<double> PreferenceObjective::rewards(const Batch& batch, std::span<const double> outputs) const {
  return answers_of(batch, outputs).rewards;
}

double PreferenceObjective::loss(const Batch& batch, std::span<const double> outputs) const {
  const Answers answers = answers_of(batch, outputs);
  double sum = 0;
  for (const Comparison& comparison : batch.comparisons) {
    const auto chosen = static_cast<std::size_t>(comparison.chosen);
    sum += comparison.weight * compare(comparison, answers.rewards, {});
    sum -= comparison.weight * config_.nll_weight * answers.sums[chosen] / answers.sizes[chosen];
  }
  return sum;
}

// dpo: r = beta (sum - reference); ipo: r = (sum - reference) / size; reward: r = sum, of one output
void PreferenceObjective::gradient(const Batch& batch, std::span<const double> outputs,
                                   std::span<double> d_outputs) const {
  const Answers answers = answers_of(batch, outputs);
  std::vector<double> d_rewards(answers.sums.size(), 0.0), d_sums(answers.sums.size(), 0.0);
  for (const Comparison& comparison : batch.comparisons) {
    compare(comparison, answers.rewards, d_rewards);
    const auto chosen = static_cast<std::size_t>(comparison.chosen);
    d_sums[chosen] -= comparison.weight * config_.nll_weight / answers.sizes[chosen];
  }
  for (std::size_t s = 0; s < d_sums.size(); ++s) {
    const double scale = config_.type == ObjectiveKind::dpo   ? config_.beta
                         : config_.type == ObjectiveKind::ipo ? 1 / answers.sizes[s]
                                                              : 1;
    const auto begin = d_outputs.begin() + static_cast<std::ptrdiff_t>(answers.begins[s]),
               end = d_outputs.begin() + static_cast<std::ptrdiff_t>(answers.begins[s + 1]);
    std::fill(begin, end, d_sums[s] + scale * d_rewards[s]);
  }
}

void PreferenceObjective::measure(const Batch& batch, std::span<const double> outputs, Measures& measures) const {
  PreferenceSums& sums = measures.preferences;
  const Answers answers = answers_of(batch, outputs);
  const std::vector<double> none(answers.sums.size(), 0.0);
  for (const Comparison& comparison : batch.comparisons) {
    const double weight = comparison.weight, share = weight / static_cast<double>(comparison.rejected.size());
    const auto chosen = static_cast<std::size_t>(comparison.chosen);
    sums.weight += weight;
    sums.loss += weight * compare(comparison, answers.rewards, {});
    sums.indifferent += weight * compare(comparison, none, {});
    sums.chosen_reward += weight * answers.rewards[chosen];
    sums.chosen_log_prob += weight * answers.sums[chosen];
    bool is_best = true;
    for (const Index answer : comparison.rejected) {
      const auto rejected = static_cast<std::size_t>(answer);
      sums.rejected_reward += share * answers.rewards[rejected];
      sums.rejected_log_prob += share * answers.sums[rejected];
      is_best = is_best && answers.rewards[chosen] > answers.rewards[rejected];
    }
    if (comparison.probability == 0.5) continue;
    sums.decided_weight += weight;
    ++sums.decided;
    if (is_best) sums.correct += weight;
  }
}

}  // namespace kiln
