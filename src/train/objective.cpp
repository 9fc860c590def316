// Implements the objective of next tokens, and runs batches for objectives: scores and gradient.
#include "kiln/train/objective.h"

#include "train/policy_objective.h"
#include "train/preference_objective.h"
#include <cmath>
#include <cstddef>
#include <numeric>

namespace kiln {

void PreferenceSums::add(const PreferenceSums& other) {
  weight += other.weight;
  decided_weight += other.decided_weight;
  loss += other.loss;
  indifferent += other.indifferent;
  chosen_reward += other.chosen_reward;
  rejected_reward += other.rejected_reward;
  decided += other.decided;
  correct += other.correct;
  chosen_log_prob += other.chosen_log_prob;
  rejected_log_prob += other.rejected_log_prob;
}

void PolicySums::add(const PolicySums& other) {
  tokens += other.tokens;
  divergence += other.divergence;
  low += other.low;
  high += other.high;
  if (std::abs(other.largest_log_ratio) > std::abs(largest_log_ratio)) largest_log_ratio = other.largest_log_ratio;
  value_loss += other.value_loss;
}

double NextToken::weight(const Batch& batch) const {
  return std::accumulate(batch.weights.begin(), batch.weights.end(), 0.0);
}

double NextToken::loss(const Batch& batch, std::span<const double> outputs) const {
  double sum = 0;
  for (std::size_t m = 0; m < outputs.size(); ++m) sum -= static_cast<double>(batch.weights[m]) * outputs[m];
  return sum;
}

// loss = -sum_m weights[m] outputs[m]
void NextToken::gradient(const Batch& batch, std::span<const double>, std::span<double> d_outputs) const {
  for (std::size_t m = 0; m < d_outputs.size(); ++m) d_outputs[m] = -static_cast<double>(batch.weights[m]);
}

std::unique_ptr<Objective> make_objective(const ObjectiveConfig& config, const PolicyConfig& policy) {
  if (is_of_policy(config.type)) return std::make_unique<PolicyObjective>(policy);
  if (is_of_preferences(config.type)) return std::make_unique<PreferenceObjective>(config);
  return std::make_unique<NextToken>();
}

template <class A>
double BatchRunner<A>::loss(Weights weights, const Batch& batch, const StepContext& step) {
  runner_.forward(weights, batch.rows, step);
  score(batch);
  return objective_.loss(batch, outputs_);
}

template <class A>
double BatchRunner<A>::backward(Weights weights, const Batch& batch, const StepContext& step, Gradients<A>& gradients) {
  runner_.forward(weights, batch.rows, step);
  if (objective_.reads_outputs()) score(batch);
  const std::size_t count = outputs_of(batch);
  scores_.resize(count);
  d_scores_.resize(count);
  d_outputs_.resize(count);
  objective_.gradient(batch, objective_.reads_outputs() ? outputs_ : std::span<const double>(), d_outputs_);
  for (std::size_t i = 0; i < count; ++i) d_scores_[i] = static_cast<A>(sign(i) * d_outputs_[i]);
  runner_.backward(batch.scored_targets(), ConstVec<A>(d_scores_.data(), std::ssize(d_scores_)),
                   Vec<A>(scores_.data(), std::ssize(scores_)), gradients);
  if (!objective_.reads_outputs()) read_outputs();
  return objective_.loss(batch, outputs_);
}

template <class A>
void BatchRunner<A>::score(const Batch& batch) {
  scores_.resize(outputs_of(batch));
  runner_.score(batch.scored_targets(), Vec<A>(scores_.data(), std::ssize(scores_)));
  read_outputs();
}

template <class A>
void BatchRunner<A>::read_outputs() {
  outputs_.resize(scores_.size());
  for (std::size_t i = 0; i < scores_.size(); ++i) outputs_[i] = sign(i) * static_cast<double>(scores_[i]);
}

template <class A>
std::size_t BatchRunner<A>::outputs_of(const Batch& batch) const {
  return batch.targets.size() * (head_ == HeadKind::next_token_and_value ? 2 : 1);
}

/// Returns -1 for an output that the runner has the negative of: log p.
template <class A>
double BatchRunner<A>::sign(std::size_t i) const {
  const bool is_number = head_ == HeadKind::score || (head_ != HeadKind::next_token && i >= scores_.size() / 2);
  return is_number ? 1 : -1;
}

template class BatchRunner<float>;
template class BatchRunner<double>;

}  // namespace kiln
