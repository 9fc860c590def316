// Adds up the loss token by token.
#include "train/policy_objective.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace kiln {

/// Returns true if the ratio has gone beyond the clip in the direction that the advantage favours.
bool PolicyObjective::is_clipped(double advantage, double ratio) const {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  return advantage > 0 ? ratio > 1 + config_.clip_high.value_or(kNone)
                       : advantage < 0 && ratio < 1 - config_.clip_low.value_or(kNone);
}

PolicyObjective::Term PolicyObjective::surrogate(double advantage, double log_ratio) const {
  const double ratio = std::exp(log_ratio);
  if (!is_clipped(advantage, ratio)) return {-ratio * advantage, -ratio * advantage};  // d ratio = ratio d log p
  return {-(advantage > 0 ? 1 + *config_.clip_high : 1 - *config_.clip_low) * advantage, 0};
}

PolicyObjective::Term PolicyObjective::divergence(double difference) const {
  if (config_.kl == KlPlace::k2_in_loss) return {difference * difference / 2, difference};
  return {std::expm1(-difference) + difference, -std::expm1(-difference)};
}

PolicyObjective::Term PolicyObjective::value_loss(double value, double before, double target) const {
  const double error = value - target;
  const double moved = std::clamp(value - before, -config_.value_clip, config_.value_clip);
  const double clipped_error = before + moved - target;
  if (error * error >= clipped_error * clipped_error) return {error * error / 2, error};
  return {clipped_error * clipped_error / 2, 0};  // the clip is at work, so that the value does not matter
}

double PolicyObjective::weight(const Batch& batch) const {
  if (config_.loss_type == LossType::dr_grpo) return static_cast<double>(batch.rows.sequences.size());
  return std::accumulate(batch.weights.begin(), batch.weights.end(), 0.0);
}

double PolicyObjective::loss(const Batch& batch, std::span<const double> outputs) const {
  const DrawnRows& drawn = batch.drawn;
  const std::size_t M = batch.targets.size();
  double sum = 0;
  for (std::size_t m = 0; m < M; ++m) {
    double loss = surrogate(drawn.advantages[m], outputs[m] - drawn.behaviour[m]).loss;
    if (!drawn.reference.empty()) loss += drawn.kl_weight * divergence(outputs[m] - drawn.reference[m]).loss;
    if (!drawn.returns.empty()) {
      loss += config_.value_weight * value_loss(outputs[M + m], drawn.values[m], drawn.returns[m]).loss;
    }
    sum += static_cast<double>(batch.weights[m]) * loss;
  }
  return sum;
}

void PolicyObjective::gradient(const Batch& batch, std::span<const double> outputs, std::span<double> d_outputs) const {
  const DrawnRows& drawn = batch.drawn;
  const std::size_t M = batch.targets.size();
  for (std::size_t m = 0; m < M; ++m) {
    const auto weight = static_cast<double>(batch.weights[m]);
    double slope = surrogate(drawn.advantages[m], outputs[m] - drawn.behaviour[m]).slope;
    if (!drawn.reference.empty()) slope += drawn.kl_weight * divergence(outputs[m] - drawn.reference[m]).slope;
    d_outputs[m] = weight * slope;
    if (drawn.returns.empty()) continue;
    const Term value = value_loss(outputs[M + m], drawn.values[m], drawn.returns[m]);
    d_outputs[M + m] = weight * config_.value_weight * value.slope;
  }
}

void PolicyObjective::measure(const Batch& batch, std::span<const double> outputs, Measures& measures) const {
  const DrawnRows& drawn = batch.drawn;
  PolicySums& sums = measures.policy;
  const std::size_t M = batch.targets.size();
  for (std::size_t m = 0; m < M; ++m) {
    const double log_ratio = outputs[m] - drawn.behaviour[m];
    sums.tokens += 1;
    sums.divergence += std::expm1(log_ratio) - log_ratio;
    sums.largest_log_ratio = std::max(sums.largest_log_ratio, std::abs(log_ratio));
    if (is_clipped(drawn.advantages[m], std::exp(log_ratio))) (drawn.advantages[m] > 0 ? sums.high : sums.low) += 1;
    if (!drawn.returns.empty()) sums.value_loss += std::pow(outputs[M + m] - drawn.returns[m], 2) / 2;
  }
}

}  // namespace kiln
