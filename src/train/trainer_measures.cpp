// Stores what steps and evaluations measure in the row and the state of a run, and warns of what they show.
#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"

#include "train/rollouts.h"
#include "train/trainer.h"
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace kiln {
namespace {

// How far the first loss may be from that of equal rewards, relative to it if it is above 1. In bfloat16 a log p of
// some nats has an error of up to 2^-9 of it, which a product of another shape may round otherwise.
constexpr double kFirstLossTolerance = 1e-6, kFirstLossToleranceBf16 = 1e-2;

constexpr Index kEarlySteps = 10, kRightSteps = 5, kRightComparisons = 20;  // see warn_if_right_at_once

std::optional<double> if_finite(double value) { return std::isfinite(value) ? std::optional(value) : std::nullopt; }

}  // namespace

/// Begins the row of a step of so many seconds, whose first example is `first`.
void Trainer::note_step(const StepResult& result, double seconds, Index first) {
  row_ = MetricsRow();
  row_.step = p_.state.step;
  row_.tokens = p_.state.tokens;
  if (result.is_scored) row_.loss = if_finite(result.loss);
  row_.learning_rate = result.learning_rate;
  if (result.is_scored) row_.grad_norm = if_finite(result.gradient_norm);
  if (world_.size() > 1) {
    row_.waiting = result.waited / seconds;
    row_.slowest_rank = result.slowest;
    row_.lag = result.lag;
  }
  if (p_.data.preferences) {
    note_preferences(result.measures.preferences);
    warn_if_right_at_once(result.measures.preferences);
  }
  if (p_.data.rollouts != nullptr) note_rollout(result.measures.policy, first);
}

/// Stores what the step's comparisons add up to in the row. Ends the run if the model does not begin as indifferent as
/// a model that is its own reference must be.
void Trainer::note_preferences(const PreferenceSums& sums) {
  row_.chosen_reward = if_finite(sums.chosen_reward / sums.weight);
  row_.rejected_reward = if_finite(sums.rejected_reward / sums.weight);
  row_.reward_margin = if_finite((sums.chosen_reward - sums.rejected_reward) / sums.weight);
  if (sums.decided_weight > 0) row_.reward_accuracy = if_finite(sums.correct / sums.decided_weight);
  if (predicts_tokens(p_.config.model.head)) {
    row_.chosen_log_prob = if_finite(sums.chosen_log_prob / sums.weight);
    row_.rejected_log_prob = if_finite(sums.rejected_log_prob / sums.weight);
  }
  if (p_.state.step != 1 || !p_.starts_at_reference) return;
  const double found = sums.loss / sums.weight, expected = sums.indifferent / sums.weight;
  if (!std::isfinite(found)) return;  // a bad step
  const double tolerance = p_.weights->precision() == Precision::fp32 ? kFirstLossTolerance : kFirstLossToleranceBf16;
  if (std::abs(found - expected) <= tolerance * std::max(1.0, expected)) return;
  fail(ExitCode::failure,
       "step 1: the model is its own reference, so the loss of its comparisons must be {:.7f}, and it is {:.7f} "
       "(rewards: {:.3g} of chosen answers, {:.3g} of rejected ones); remove {} and start again, and report this if it "
       "happens again",
       expected, found, sums.chosen_reward / sums.weight, sums.rejected_reward / sums.weight,
       (paths_.tokens() / "reference.json").string());
}

/// Stores what the rollout and the step's tokens add up to in the row. Leaves the rest of a rollout out if the model
/// has gone too far from the one that drew it; ends the run if its first probabilities are not those of drawing.
void Trainer::note_rollout(const PolicySums& sums, Index first) {
  Rollouts& rollouts = *p_.data.rollouts;
  const RolloutFigures& figures = rollouts.figures();
  const bool has_reference = p_.reference_model != nullptr, has_values = p_.config.policy.baseline == Baseline::value;
  row_.reward = if_finite(figures.reward);
  row_.reward_deviation = if_finite(figures.reward_deviation);
  row_.entropy = if_finite(figures.entropy);
  row_.equal_groups = figures.equal_groups;
  row_.mean_length = figures.mean_length;
  row_.least_length = figures.least_length;
  row_.largest_length = figures.largest_length;
  row_.unfinished = figures.unfinished;
  if (has_reference) {
    row_.kl = if_finite(figures.kl);
    row_.kl_k3 = if_finite(figures.kl_k3);
    row_.kl_weight = figures.kl_weight;
  }
  row_.clipped_low = sums.low / sums.tokens;
  row_.clipped_high = sums.high / sums.tokens;
  row_.divergence = if_finite(sums.divergence / sums.tokens);
  if (has_values) row_.value_loss = if_finite(sums.value_loss / sums.tokens);
  for (const RewardFigures& part : figures.parts) row_.rewards.push_back({part.name, part.mean});

  if (rollouts.begins_rollout(first) && sums.largest_log_ratio != 0) {
    fail(ExitCode::failure,
         "step {}: a rollout's first step must give each token the probability that it was drawn with, and log p of "
         "one differs by {:.3g}; report this as a bug",
         p_.state.step, sums.largest_log_ratio);
  }
  if (first == 0 && p_.starts_at_reference && figures.largest_kl_of_token != 0) {
    fail(ExitCode::failure,
         "step 1: the model is its own reference, so that both must give each token the same probability, and log p of "
         "one differs by {:.3g}; report this as a bug",
         figures.largest_kl_of_token);
  }
  const std::optional<double> limit = p_.config.policy.kl_limit;
  if (!limit || sums.divergence / sums.tokens <= *limit) return;
  if (p_.state.windows < rollouts.next_rollout(first)) {
    inform(
        "step {}: {:.3g} nats per token from the model that drew the rollout, beyond policy.kl_limit; the rest of it "
        "is left out",
        p_.state.step, sums.divergence / sums.tokens);
  }
  p_.state.windows = rollouts.next_rollout(first);
}

/// Warns once if the held-out gold rewards fall while those of training rise (arXiv:2210.10760).
void Trainer::warn_of_overoptimisation(const Evaluation& evaluation) {
  TrainerState& state = p_.state;
  if (!evaluation.gold) return;
  if (!state.best_gold || *evaluation.gold > *state.best_gold) {
    state.best_gold = evaluation.gold;
    state.reward_at_best_gold = evaluation.reward;
    return;
  }
  const bool falls = *evaluation.gold + evaluation.margin.value_or(0) < *state.best_gold;
  const bool rises = *state.reward_at_best_gold < *evaluation.reward;
  if (!falls || !rises || std::exchange(state.is_overoptimised, true)) return;
  warn(
      "step {}: the rewards of training rise ({:.4g} to {:.4g}) while policy.gold falls ({:.4g} to {:.4g}): the model "
      "learns to please the rewards alone; the best checkpoint is the one before, and a larger objective.beta holds "
      "the model back",
      state.step, *state.reward_at_best_gold, *evaluation.reward, *state.best_gold, *evaluation.gold);
}

/// Warns once, at an early step, if a model that began as its own reference is right about every comparison of the last
/// few steps, and its loss is less than half of the first (huggingface/trl#1236). Easy data alone give the one or the
/// other.
void Trainer::warn_if_right_at_once(const PreferenceSums& sums) {
  const ObjectiveConfig& objective = p_.config.objective;
  const Index step = p_.state.step;
  if (!has_reference(objective.type) || objective.reference || step > kEarlySteps) return;
  if (sums.correct < sums.decided_weight) {
    right_steps_ = right_comparisons_ = 0;
    return;
  }
  ++right_steps_;
  right_comparisons_ += sums.decided;
  if (step < kEarlySteps || right_steps_ < kRightSteps || right_comparisons_ < kRightComparisons) return;
  if (sums.loss > sums.indifferent / 2) return;
  warn(
      "step {}: the model has been right about the last {} comparisons, and their loss is less than half of the first; "
      "so early, that usually means that optimizer.learning_rate {:g} is far too high and spoils the answers: start "
      "again with a tenth of it",
      step, format_count(right_comparisons_), p_.config.optimizer.learning_rate);
}

/// Stores an evaluation in the row and the state.
void Trainer::rate(const Evaluation& evaluation) {
  TrainerState& state = p_.state;
  row_.validation_loss = if_finite(evaluation.loss);
  row_.bits_per_byte = if_finite(evaluation.bits_per_byte.value_or(NAN));
  row_.held_out_reward = evaluation.reward;
  row_.held_out_gold = evaluation.gold;
  row_.held_out_kl = evaluation.kl;
  warn_of_overoptimisation(evaluation);
  if (!p_.data.preferences && !p_.data.rollouts) row_.perplexity = if_finite(evaluation.perplexity());
  if (row_.validation_loss) row_.accuracy = if_finite(evaluation.accuracy);
  if (row_.validation_loss) row_.end_accuracy = evaluation.end_accuracy;
  state.validation_loss = row_.validation_loss;
  if (evaluation.reward) row_.validation_loss.reset();  // minus a reward: the checkpoints' order alone
  if (p_.config.model.head == HeadKind::score) {
    state.reward_mean = evaluation.reward_mean;
    state.reward_deviation = evaluation.reward_deviation;
  }
  if (state.validation_loss && (!state.best_loss || *state.validation_loss < *state.best_loss)) {
    state.best_loss = state.validation_loss;
    state.best_step = state.step;
    state.evaluations_since_best = 0;
  } else {
    ++state.evaluations_since_best;
  }
}

}  // namespace kiln
