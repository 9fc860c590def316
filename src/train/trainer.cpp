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

/// Thrown within an evaluation or a sample if the monitor ends the run.
struct Stopped {};

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
  agree();  // the save has noted the time on the root alone
  bool stops = monitor_.stops();
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
  if (is_last && evaluation && !std::isfinite(evaluation->loss))
    fail_diverged("the loss of the last evaluation is not finite");
  const bool samples = is_due(train.sample_every) || (evaluates && train.sample_at_evaluations);
  if (samples && (has_time || is_last)) sample();

  const bool stops = monitor_.stops();
  const bool is_sound = p_.state.bad_steps_in_a_row == 0;  // else the weights may already be bad
  const bool save_due = has_time && is_sound && is_due(train.checkpoint_every);
  const bool is_final = is_last || p_.has_stopped_early() || stops;
  if (improved || is_final || save_due) save(improved, is_final ? Retry::never : Retry::later);
  if (evaluates || samples || improved || save_due) agree();
  return stops;
}

/// Takes a step. Returns false if the monitor ends the training before it.
bool Trainer::take_step() {
  TrainerState& state = p_.state;
  const bool draws = p_.data.rollouts != nullptr && !p_.data.rollouts->is_drawn(state.windows);
  monitor_.on_work(draws ? TrainingWork::rollout : TrainingWork::step, state.step);
  if (world_.size() == 1) state.seconds = clock_.seconds();  // several ranks have agreed on it
  p_.training_length.advance(state);
  if (leads_to_evaluation()) {
    p_.train_step->wait_for_weights();
    record_.before_evaluated_step();
  }
  const double begun = clock_.now();
  if (draws && !draw_rollout(begun)) return false;
  const double spike = spike_limit(state, p_.config.train.spike_threshold);
  const StepPosition position{.step = state.step,
                              .updates = state.step - state.bad_steps,
                              .examples_drawn = state.windows,
                              .total_steps = p_.training_length.total_steps(),
                              .loss_limit = p_.config.train.skip_spikes ? spike : kEndless,
                              .keeps_gradients = leads_to_evaluation() && p_.config.train.tensorboard,
                              .agree = [this] { agree(); }};
  const StepResult result = p_.train_step->run(p_.weights->view(), *p_.data.batches, position);
  clock_.add_step(clock_.now() - begun, result.tokens);
  ++state.step;
  if (world_.size() == 1) {
    state.reserve_seconds = reserve();
    state.seconds = clock_.seconds();
  }
  p_.training_length.advance(state);
  state.windows += result.examples;
  state.tokens += result.tokens;
  state.validation_loss.reset();
  note_step(result, clock_.now() - begun, position.examples_drawn);
  warn_after_first_pass(position.examples_drawn);
  monitor_.on_step(figures());
  judge_step(result, position.examples_drawn, spike);
  if (result.is_shared || world_.size() == 1) end_if_diverged();
  return true;
}

/// Draws the rollout of the next step, which has begun at this time. Returns false if the monitor ends the training; a
/// resume draws the same again. If the rewards fail, saves what was learned before.
bool Trainer::draw_rollout(double begun) {
  p_.train_step->wait_for_weights();
  const auto leave_if_stopped = [&] {  // ranks draw other numbers of tokens, and cannot stop together before the end
    if (world_.size() == 1 && monitor_.should_stop()) throw Stopped();
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
    if (p_.state.step > before_.step && world_.size() == 1) save(false, Retry::never);  // other ranks know nothing yet
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

/// Notes the loss of a step, or counts an update that was skipped. A loss above `spike` is a spike.
void Trainer::judge_step(const StepResult& result, Index first_example, double spike) {
  TrainerState& state = p_.state;
  if (!result.is_scored) {
    ++state.bad_steps;
    return warn("step {}: every token follows an end token, so none is scored; skipped", state.step);
  }
  if (std::isfinite(result.loss) && result.loss > spike) {
    warn("step {}: a spike: loss {:.4g}, {:.1f} standard deviations above the recent mean of {:.4g}", state.step,
         result.loss, (result.loss - state.loss_mean) / loss_deviation(state), state.loss_mean);
  }
  if (result.applied) {
    state.bad_steps_in_a_row = 0;
    return note_loss(result.loss, state);
  }
  ++state.bad_steps;
  ++state.bad_steps_in_a_row;
  warn("step {}: loss {} and gradient norm {} on {}s {} to {}; the update is skipped ({} in a row)", state.step,
       significant(result.loss, 4), significant(result.gradient_norm, 4), p_.data.batches->unit(), first_example,
       state.windows - 1, state.bad_steps_in_a_row);
}

/// Ends the run after too many bad steps in a row. Between outer steps each rank counts its own, and the most count.
void Trainer::end_if_diverged() {
  TrainerState& state = p_.state;
  if (p_.config.distributed.is_local())
    state.bad_steps_in_a_row = std::ranges::max(world_.gather(state.bad_steps_in_a_row));
  if (state.bad_steps_in_a_row < p_.config.train.max_bad_steps) return;
  fail_diverged(fmt::format("{} in a row without a finite loss and gradient{} (train.max_bad_steps)",
                            counted(state.bad_steps_in_a_row, "step"),
                            p_.config.train.skip_spikes ? ", or with a loss far above the recent ones" : ""));
}

/// Ends the run. The weights before the skipped steps are already bad: drops checkpoints of them.
void Trainer::fail_diverged(const std::string& found) {
  const TrainerState& state = p_.state;
  record_.wait();
  std::optional<Index> sound;
  if (world_.is_root()) sound = forget_checkpoints(paths_.checkpoints(), state.step - state.bad_steps_in_a_row);
  world_.barrier();
  const double clip_norm = p_.config.optimizer.clip_norm;
  fail(ExitCode::diverged,
       "diverged: {}; a resume continues from step {}: set a lower optimizer.learning_rate, {} or a longer "
       "schedule.warmup_steps",
       found, sound.value_or(0),
       clip_norm > 0 ? fmt::format("a lower optimizer.clip_norm than {:g}", clip_norm)
                     : "an optimizer.clip_norm such as 1 (0 does not clip)");
}

/// Evaluates. Returns nullopt if the monitor ends the evaluation, which a resumed run then makes up for.
std::optional<Evaluation> Trainer::evaluate() {
  const double begun = clock_.now();
  p_.train_step->wait_for_weights();
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
    agree_on_best();
    rate(evaluation);
    return evaluation;
  } catch (const Stopped&) {
    p_.state.evaluation_pending = true;
    return std::nullopt;
  } catch (const Error&) {
    if (p_.data.rollouts != nullptr && world_.size() == 1) {  // a reward has failed
      p_.state.evaluation_pending = true;
      save(false, Retry::never);
    }
    throw;
  }
}

void Trainer::log_row() {
  row_.seconds = clock_.seconds();
  if (const std::optional<double> speed = clock_.take_speed()) row_.tokens_per_second = speed;
  const bool replaces = std::exchange(row_is_logged_, false);
  record_.log(row_, replaces);
  if (p_.config.train.log_every > 0 && p_.state.step > before_.step) monitor_.on_row(figures());
}

/// Draws a sample of the model's text at this point of training. Omits it if the monitor ends the run. Of several
/// ranks, the root alone draws.
void Trainer::sample() {
  p_.train_step->wait_for_weights();
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
  p_.train_step->wait_for_weights();
  record_.save(is_best, retry);
}

/// Agrees with the other ranks on what depends on each: whether to stop, and the time that the root has used.
void Trainer::agree() {
  if (world_.size() == 1) return;
  monitor_.should_stop();
  const auto [seconds, reserved] = world_.of_root(std::pair(clock_.seconds(), reserve()));
  p_.state.seconds = seconds;
  p_.state.reserve_seconds = reserved;
}

/// Takes the root's best loss, which a failed save may have set back there alone.
void Trainer::agree_on_best() {
  p_.state.best_loss = world_.of_root(p_.state.best_loss);
  p_.state.best_step = world_.of_root(p_.state.best_step);
}

/// Returns the time that a time budget must keep for what ends the run.
double Trainer::reserve() const {
  return std::max(clock_.reserve(p_.evaluator ? evaluated_tokens() : 0), before_.reserve_seconds);
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
  const UnitCosts costs = clock_.costs(p_.evaluator ? evaluated_tokens() : 0);
  const bool evaluates_now = p_.evaluator && is_due(p_.config.train.eval_every) && !p_.state.validation_loss;
  const auto total = static_cast<Index>(training_length.total_steps());
  return seconds_after(p_.config.train, p_.state.step, total, costs) + (evaluates_now ? costs.evaluation : 0);
}

}  // namespace kiln
