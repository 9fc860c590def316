// Implements the training loop: step, log, evaluate, save.
#include "train/trainer.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/infer/complete.h"
#include "kiln/run/checkpoint_store.h"

#include "train/rollouts.h"
#include "train/spikes.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace kiln {
namespace {

using Retry = RunRecord::Retry;

// How far the first loss may be from that of equal rewards, relative to it if it is above 1. In bfloat16 a log p of
// some nats has an error of up to 2^-9 of it, which a product of another shape may round otherwise.
constexpr double kFirstLossTolerance = 1e-6, kFirstLossToleranceBf16 = 1e-2;

constexpr Index kEarlySteps = 10, kRightSteps = 5, kRightComparisons = 20;  // see warn_if_right_at_once

/// Thrown within an evaluation or a sample if the monitor ends the run.
struct Stopped {};

std::optional<double> if_finite(double value) { return std::isfinite(value) ? std::optional(value) : std::nullopt; }

}  // namespace

Trainer::Trainer(TrainingParts& parts, const RunPaths& paths, TrainingMonitor& monitor, std::function<double()> clock)
    : p_(parts),
      world_(*parts.world),
      paths_(paths),
      own_monitor_(monitor),
      monitor_(monitor, world_),
      before_(parts.state),
      clock_(std::move(clock), before_),
      record_(parts, paths_, clock_, monitor) {
  row_.step = before_.step;
  row_.tokens = before_.tokens;
  if (!before_.evaluation_pending) return;
  for (const MetricsRow& row : read_metrics(paths_.metrics())) {
    if (row.step != before_.step) continue;
    row_ = row;
    row_is_logged_ = true;
  }
}

TrainingEnd Trainer::run() {
  monitor_.on_step(figures());
  if (!p_.resumed_from) save(false, Retry::never);  // the initial weights
  clock_.start();
  bool stops = monitor_.should_stop();
  while (!stops && !p_.is_finished()) {
    if (p_.state.evaluation_pending || take_step()) {
      stops = after_step();
    } else {  // stopped before the step's rollout was drawn
      save(false, Retry::never);
      stops = true;
    }
  }
  record_.draw();
  if (stops) return TrainingEnd::stopped;
  return p_.training_length.is_reached() ? TrainingEnd::finished : TrainingEnd::early;
}

/// Evaluates, logs, samples and saves as due. Returns true if the monitor ends the training.
bool Trainer::after_step() {
  const TrainConfig& train = p_.config.train;
  record_.poll();
  const bool is_last = p_.training_length.is_reached();
  // Work that would exceed a time budget is left to the last step, which evaluates and saves anyway.
  const bool has_time = p_.training_length.spare_seconds() > p_.state.reserve_seconds;
  const bool is_pending = std::exchange(p_.state.evaluation_pending, false);
  const bool evaluates = p_.evaluator && ((has_time && is_due(train.eval_every)) || is_last || is_pending);
  const std::optional<Evaluation> evaluation = evaluates ? evaluate() : std::nullopt;
  const bool improved = evaluation && p_.state.evaluations_since_best == 0;
  if (evaluates || is_due(train.log_every) || (is_last && train.log_every > 0)) log_row();
  if (evaluation) monitor_.on_evaluation(p_.state.step, *evaluation, improved);
  const bool samples = is_due(train.sample_every) || (evaluates && train.sample_at_evaluations);
  if (samples && (has_time || is_last)) sample();

  const bool stops = monitor_.should_stop();
  const bool is_sound = p_.state.bad_steps_in_a_row == 0;  // else the weights may already be bad
  const bool save_due = has_time && is_sound && is_due(train.checkpoint_every);
  const bool is_final = is_last || p_.has_stopped_early() || stops;
  if (improved || is_final || save_due) save(improved, is_final ? Retry::never : Retry::later);
  return stops;
}

/// Takes a step. Returns false if the monitor ends the training before it.
bool Trainer::take_step() {
  TrainerState& state = p_.state;
  const bool draws = p_.data.rollouts != nullptr && !p_.data.rollouts->is_drawn(state.windows);
  monitor_.on_work(draws ? TrainingWork::rollout : TrainingWork::step, state.step);
  read_clock();
  if (leads_to_evaluation()) record_.before_evaluated_step();
  const double begun = clock_.now();
  if (draws && !draw_rollout(begun)) return false;
  const double spike = spike_limit(state, p_.config.train.spike_threshold);
  const StepPosition position{.step = state.step,
                              .updates = state.step - state.bad_steps,
                              .examples_drawn = state.windows,
                              .total_steps = p_.training_length.total_steps(),
                              .loss_limit = p_.config.train.skip_spikes ? spike : kEndless,
                              .keeps_gradients = leads_to_evaluation() && p_.config.train.tensorboard};
  const StepResult result = p_.train_step->run(p_.weights->view(), *p_.data.batches, position);
  clock_.add_step(clock_.now() - begun, result.tokens);
  ++state.step;
  const double reserve = clock_.reserve(p_.evaluator ? evaluated_tokens() : 0);
  state.reserve_seconds = world_.of_root(std::max(reserve, before_.reserve_seconds));
  read_clock();
  state.windows += result.examples;
  state.tokens += result.tokens;
  state.validation_loss.reset();
  row_ = MetricsRow();
  row_.step = state.step;
  row_.tokens = state.tokens;
  if (result.is_scored) row_.loss = if_finite(result.loss);
  row_.learning_rate = result.learning_rate;
  if (result.is_scored) row_.grad_norm = if_finite(result.gradient_norm);
  if (p_.data.preferences) {
    note_preferences(result.measures.preferences);
    warn_if_right_at_once(result.measures.preferences);
  }
  if (p_.data.rollouts != nullptr) note_rollout(result.measures.policy, position.examples_drawn);
  warn_after_first_pass(position.examples_drawn);
  monitor_.on_step(figures());
  if (!result.is_scored) {
    ++state.bad_steps;
    warn("step {}: every token follows an end token, so none is scored; skipped", state.step);
    return true;
  }
  if (std::isfinite(result.loss) && result.loss > spike) {
    warn("step {}: a spike: loss {:.4g}, {:.1f} standard deviations above the recent mean of {:.4g}", state.step,
         result.loss, (result.loss - state.loss_mean) / loss_deviation(state), state.loss_mean);
  }
  if (!result.applied) {
    after_bad_step(result, position.examples_drawn);
    return true;
  }
  state.bad_steps_in_a_row = 0;
  note_loss(result.loss, state);
  return true;
}

/// Draws the rollout of the next step, which has begun at this time. Returns false if the monitor ends the training; a
/// resume draws the same again. If the rewards fail, saves what was learned before.
bool Trainer::draw_rollout(double begun) {
  const auto leave_if_stopped = [&] {
    if (monitor_.should_stop()) throw Stopped();
  };
  try {
    p_.data.rollouts->prepare(p_.state.windows, {*p_.model, *p_.weights}, {leave_if_stopped, leave_if_stopped});
    const Index evaluated = p_.data.validation ? p_.data.validation->size() : 0;  // an answer to each prompt
    clock_.set_drawing(clock_.now() - begun, p_.config.policy.episodes(), evaluated);
    monitor_.on_work(TrainingWork::step, p_.state.step);
    return true;
  } catch (const Stopped&) {
    return false;
  } catch (const Error&) {
    if (p_.state.step > before_.step) save(false, Retry::never);
    throw;
  }
}

/// Warns once that a reward model begins to see the same comparisons again.
void Trainer::warn_after_first_pass(Index drawn_before) {
  const Index epoch = p_.data.batches->epoch();
  const bool is_over = drawn_before < epoch && p_.state.windows >= epoch && !p_.training_length.is_reached();
  if (p_.config.objective.type != ObjectiveKind::reward || !is_over) return;
  warn("step {}: the first pass over the comparisons is over; from here on a reward model usually learns them by heart",
       p_.state.step);
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

void Trainer::after_bad_step(const StepResult& result, Index first_example) {
  TrainerState& state = p_.state;
  ++state.bad_steps;
  ++state.bad_steps_in_a_row;
  warn("step {}: loss {} and gradient norm {} on {} {} to {}; the update is skipped ({} in a row)", state.step,
       significant(result.loss, 4), significant(result.gradient_norm, 4), p_.data.batches->unit(), first_example,
       state.windows - 1, state.bad_steps_in_a_row);
  if (state.bad_steps_in_a_row >= p_.config.train.max_bad_steps) fail_diverged();
}

/// Ends the run. The weights before the skipped steps are already bad: drops checkpoints of them.
void Trainer::fail_diverged() {
  const TrainerState& state = p_.state;
  record_.wait();
  std::optional<Index> sound;
  if (world_.is_root()) sound = forget_checkpoints(paths_.checkpoints(), state.step - state.bad_steps_in_a_row);
  world_.barrier();
  const double clip_norm = p_.config.optimizer.clip_norm;
  fail(ExitCode::diverged,
       "diverged: {} in a row without a finite loss and gradient{} (train.max_bad_steps); a resume continues from step "
       "{}: set a lower optimizer.learning_rate, {} or a longer schedule.warmup_steps",
       counted(state.bad_steps_in_a_row, "step"),
       p_.config.train.skip_spikes ? ", or with a loss far above the recent ones" : "", sound.value_or(0),
       clip_norm > 0 ? fmt::format("a lower optimizer.clip_norm than {:g}", clip_norm)
                     : "an optimizer.clip_norm such as 1 (0 does not clip)");
}

/// Evaluates. Returns nullopt if the monitor ends the evaluation, which a resumed run then makes up for.
std::optional<Evaluation> Trainer::evaluate() {
  const double begun = clock_.now();
  monitor_.on_work(TrainingWork::evaluation, p_.state.step);
  try {
    if (p_.state.step > before_.step) record_.add_evaluation();  // reads the step's gradients
    if (monitor_.should_stop()) throw Stopped();
    Work work("evaluating", static_cast<double>(evaluated_tokens()), "tokens");
    const auto progress = [&](double share) {
      if (monitor_.should_stop()) throw Stopped();
      work.set_share(share);
    };
    const Evaluation evaluation = p_.evaluator->evaluate(p_.weights->view(), *p_.data.validation, progress);
    clock_.set_evaluation(clock_.now() - begun);
    rate(evaluation);
    return evaluation;
  } catch (const Stopped&) {
    p_.state.evaluation_pending = true;
    return std::nullopt;
  } catch (const Error&) {
    if (p_.data.rollouts != nullptr) {  // a reward has failed
      p_.state.evaluation_pending = true;
      save(false, Retry::never);
    }
    throw;
  }
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

void Trainer::log_row() {
  row_.seconds = clock_.seconds();
  if (const std::optional<double> speed = clock_.take_speed()) row_.tokens_per_second = speed;
  const bool replaces = std::exchange(row_is_logged_, false);
  record_.log(row_, replaces);
  if (p_.config.train.log_every > 0 && p_.state.step > before_.step) monitor_.on_row(figures());
}

/// Draws a sample of the model's text at this point of training. Omits it if the monitor ends the run. Of several ranks,
/// the root alone draws.
void Trainer::sample() {
  if (!world_.is_root()) return;
  const double begun = clock_.now();
  monitor_.on_work(TrainingWork::sample, p_.state.step);
  CompletionOptions options;
  options.generation.max_tokens = kSampleTokens;
  options.generation.seed = p_.config.seed;
  options.generation.end_tokens = p_.data.ids.ends;
  if (p_.data.chat) options.generation.end_tokens.push_back(p_.data.chat->end_of_turn());
  const std::string& prompt = p_.config.train.sample_prompt;
  const bool adapts = p_.config.model.lora.is_on();  // in bfloat16, the base then has no masters
  const ModelView model = adapts ? ModelView(*p_.model, *p_.weights) : ModelView(*p_.model, p_.weights->masters());
  const std::array prompts{p_.data.prompt(prompt)};
  const auto leave_if_stopped = [&](Index, std::string_view, bool) {
    if (own_monitor_.should_stop()) throw Stopped();
  };
  try {
    if (own_monitor_.should_stop()) return;
    const std::vector<Completion> texts = complete(model, *p_.data.tokenizer, prompts, options, leave_if_stopped);
    const std::string text = (p_.data.chat ? prompt + "\n" : prompt) + texts.front().text;
    clock_.set_sample(clock_.now() - begun);
    monitor_.on_sample(p_.state.step, text);
    record_.add_sample(text);
  } catch (const Stopped&) {
    // The sample is omitted.
  }
}

/// Saves in the background if a later save follows, else before it returns.
void Trainer::save(bool is_best, Retry retry) {
  monitor_.on_work(TrainingWork::save, p_.state.step);
  record_.save(is_best, retry);
}

/// Reads the root's clock, so that all ranks agree on the time that is left.
void Trainer::read_clock() {
  p_.state.seconds = world_.of_root(clock_.seconds());
  p_.training_length.advance(p_.state);
}

/// Returns true if an evaluation follows the next step; with a time budget, an estimate.
bool Trainer::leads_to_evaluation() const {
  const Index step = p_.state.step + 1, every = p_.config.train.eval_every;
  return p_.evaluator && (step % every == 0 || static_cast<double>(step) >= p_.training_length.total_steps());
}

Index Trainer::evaluated_tokens() const { return p_.data.validation ? p_.data.validation->tokens() : 0; }

StepFigures Trainer::figures() { return {row_, p_.training_length, clock_.pace(), remaining_seconds()}; }

std::optional<double> Trainer::remaining_seconds() const {
  const TrainingLength& training_length = p_.training_length;
  if (training_length.is_reached() || p_.state.step == before_.step) return std::nullopt;
  if (training_length.is_estimate())
    return std::max(0.0, training_length.spare_seconds() - (clock_.seconds() - p_.state.seconds));
  return clock_.remaining(training_length.total_steps() - static_cast<double>(p_.state.step));
}

}  // namespace kiln
