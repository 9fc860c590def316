// Implements the training loop: step, log, evaluate, save.
#include "kiln/train/trainer.h"

#include "kiln/core/format.h"
#include "kiln/core/progress_bar.h"
#include "kiln/core/stopwatch.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/metric_figure.h"
#include "kiln/run/model_loader.h"
#include "kiln/train/plan.h"
#include "kiln/train/timing.h"

#include <fmt/format.h>

#include "train/spikes.h"
#include <algorithm>
#include <cmath>
#include <utility>

namespace kiln {
namespace {

constexpr int kMostFailedSaves = 3;        // in a row, which end the run
constexpr double kForwardShare = 1.0 / 3;  // of a step's time: the backward does twice the work
constexpr int kPeakMeasurements = 4;       // about 25 ms each, one per row
constexpr double kPaceSeconds = 1;         // of steps, over which the live line averages tokens/s

std::optional<double> if_finite(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

/// Returns memory for background saves if the config enables them.
std::optional<CheckpointCopy> checkpoint_copy(const Preparation& p) {
  if (!p.config.train.copies_checkpoints()) return std::nullopt;
  return CheckpointCopy(p.model->layout, p.stepper->optimizer().slots());
}

}  // namespace

Trainer::Trainer(Preparation& preparation, const RunPaths& paths, Shown shown, Sampler sampler, Clock clock)
    : p_(preparation),
      paths_(paths),
      metrics_(paths.metrics()),
      progress_(shown),
      events_(preparation, paths.root, [this](const std::string& text) { progress_.warning(text); }),
      sampler_(std::move(sampler)),
      signals_([this](int signal) { progress_.answer(answer_.to(signal)); }),
      clock_(std::move(clock)),
      started_(clock_()),
      flops_per_token_(training_flops_per_token(preparation.config.model, preparation.model->layout)),
      before_(preparation.state),
      tokens_logged_(preparation.state.tokens),
      saved_best_{before_.best_loss, before_.best_step},
      saving_best_(saved_best_),
      tokenizer_(tokenizer_files(*preparation.tokenizer, preparation.config.model, preparation.ids)),
      writer_(paths.checkpoints(), preparation.config.train.keep_checkpoints, clock_, checkpoint_copy(preparation)) {
  answer_.set_saved(before_.step);
  answer_.begin(StopAnswer::Work::save, before_.step);
  row_.step = before_.step;
  row_.tokens = before_.tokens;
  if (!before_.evaluation_pending) return;
  for (const MetricsRow& row : read_metrics(paths_.metrics())) {
    if (row.step != before_.step) continue;
    row_ = row;
    row_is_logged_ = true;
  }
}

Trainer::Clock Trainer::steady_clock() {
  return [stopwatch = Stopwatch()] { return stopwatch.seconds(); };
}

int Trainer::run() {
  progress_.live(row_, p_.horizon, std::nullopt);
  if (!p_.resumed_from) save(false, Retry::never);  // the initial weights
  started_ = clock_();
  if (const std::optional<int> signal = signals_.received()) return stop(*signal);
  while (!p_.is_finished()) {
    if (!p_.state.evaluation_pending) take_step();
    if (const std::optional<int> signal = after_step()) return stop(*signal);
  }
  if (p_.has_stopped_early() && !p_.horizon.is_reached()) {
    progress_.message(fmt::format("no better validation loss in {} evaluations: stopped at step {}",
                                  p_.state.evaluations_since_best, p_.state.step));
  }
  draw();
  summarise();
  return 0;
}

/// Evaluates, logs, samples and saves as due. Returns the signal that stops training, after saving.
std::optional<int> Trainer::after_step() {
  const TrainConfig& train = p_.config.train;
  bear(Retry::later, [&] { return writer_.poll(); });
  const bool is_last = p_.horizon.is_reached();
  // Work that would exceed a time budget is left to the last step, which evaluates and saves anyway.
  const bool has_time = p_.horizon.spare_seconds() > p_.state.reserve_seconds;
  const bool is_pending = std::exchange(p_.state.evaluation_pending, false);
  const bool evaluates = p_.evaluator && ((has_time && is_due(train.eval_every)) || is_last || is_pending);
  const std::optional<Evaluation> evaluation = evaluates ? evaluate() : std::nullopt;
  const bool improved = evaluation && p_.state.evaluations_since_best == 0;
  if (evaluates || is_due(train.log_every) || (is_last && train.log_every > 0)) log_row();
  if (evaluation) report(*evaluation, improved);
  const bool samples = is_due(train.sample_every) || (evaluates && train.sample_at_evaluations);
  if (sampler_ && samples && (has_time || is_last)) sample();

  const std::optional<int> signal = signals_.received();
  const bool is_sound = p_.state.bad_steps_in_a_row == 0;  // else the weights may already be bad
  const bool save_due = has_time && is_sound && is_due(train.checkpoint_every);
  const bool is_final = is_last || p_.has_stopped_early() || signal;
  if (improved || is_final || save_due) save(improved, is_final ? Retry::never : Retry::later);
  return signal;
}

void Trainer::take_step() {
  TrainerState& state = p_.state;
  answer_.begin(StopAnswer::Work::step, state.step);
  if (progress_.is_live()) progress_.at_work(fmt::format("step {}", state.step + 1));
  state.seconds = seconds();
  p_.horizon.advance(state);
  if (leads_to_evaluation()) events_.before_evaluated_step();
  const double begun = clock_();
  const double spike = spike_limit(state, p_.config.train.spike_threshold);
  const StepPosition position{.step = state.step,
                              .updates = state.step - state.bad_steps,
                              .windows_drawn = state.windows,
                              .total_steps = p_.horizon.total_steps(),
                              .loss_limit = p_.config.train.skip_spikes ? spike : kEndless};
  const StepResult result = p_.stepper->run(p_.weights->view(), *p_.batcher, position);
  step_seconds_ += clock_() - begun;
  if (state.step == before_.step) first_step_seconds_ = step_seconds_;
  ++state.step;
  state.seconds = seconds();
  state.reserve_seconds = std::max(reserve_seconds(), before_.reserve_seconds);
  p_.horizon.advance(state);
  state.windows += p_.stepper->sizes().windows_per_step;
  state.tokens = state.windows * p_.config.model.n_ctx;
  state.validation_loss.reset();
  row_ = MetricsRow();
  row_.step = state.step;
  row_.tokens = state.tokens;
  if (result.is_scored) row_.loss = if_finite(result.loss);
  row_.learning_rate = result.learning_rate;
  if (result.is_scored) row_.grad_norm = if_finite(result.gradient_norm);
  if (progress_.is_live()) show();
  if (!result.is_scored) {
    ++state.bad_steps;
    return progress_.warning(
        fmt::format("step {}: every token follows an end token, so that none is scored; skipped", state.step));
  }
  const bool is_spike = std::isfinite(result.loss) && result.loss > spike;
  if (is_spike) {
    progress_.warning(
        fmt::format("step {}: a spike: loss {:.4g}, {:.1f} standard deviations above the recent mean of {:.4g}",
                    state.step, result.loss, (result.loss - state.loss_mean) / loss_deviation(state), state.loss_mean));
  }
  if (!result.applied) return after_bad_step(result, position.windows_drawn);
  state.bad_steps_in_a_row = 0;
  note_loss(result.loss, state);
}

void Trainer::after_bad_step(const StepResult& result, Index first_window) {
  TrainerState& state = p_.state;
  ++state.bad_steps;
  ++state.bad_steps_in_a_row;
  progress_.warning(
      fmt::format("step {}: loss {} and gradient norm {} on windows {} to {}; the update is skipped ({} in a row)",
                  state.step, significant(result.loss, 4), significant(result.gradient_norm, 4), first_window,
                  state.windows - 1, state.bad_steps_in_a_row));
  if (state.bad_steps_in_a_row < p_.config.train.max_bad_steps) return;
  fail_diverged();
}

/// Ends the run. The weights before the skipped steps are already bad: drops checkpoints of them.
void Trainer::fail_diverged() {
  const TrainerState& state = p_.state;
  bear(Retry::later, [&] { return writer_.wait(); });
  const auto sound = forget_checkpoints(paths_.checkpoints(), state.step - state.bad_steps_in_a_row);
  const double clip_norm = p_.config.optimizer.clip_norm;
  fail(ExitCode::diverged,
       "diverged: {} in a row without a finite loss and gradient{} (train.max_bad_steps); resume, which continues from "
       "step {}, with a lower optimizer.learning_rate, {} or a longer schedule.warmup_steps",
       counted(state.bad_steps_in_a_row, "step"),
       p_.config.train.skip_spikes ? ", or with a loss far above the recent ones" : "", sound.value_or(0),
       clip_norm > 0 ? fmt::format("a lower optimizer.clip_norm than {:g}", clip_norm)
                     : "an optimizer.clip_norm such as 1 (0 does not clip)");
}

/// Evaluates. Returns nullopt if a signal ends the evaluation, which a resumed run then makes up for.
std::optional<Evaluation> Trainer::evaluate() {
  const double begun = clock_();
  answer_.begin(StopAnswer::Work::evaluation, p_.state.step);
  try {
    if (p_.state.step > before_.step) events_.add_evaluation();  // reads the step's gradients
    leave_if_stopped();
    progress_.at_work("evaluating");
    std::optional<ProgressBar> bar;  // if there is no live line
    if (!progress_.is_live()) bar.emplace("evaluating", static_cast<double>(evaluated_tokens()), "tokens");
    const Evaluation evaluation = p_.evaluator->evaluate(p_.weights->view(), p_.data.validation, [&](double share) {
      leave_if_stopped();
      bar ? bar->set_share(share) : progress_.set_share(share);
    });
    evaluation_seconds_ = clock_() - begun;
    rate(evaluation);
    return evaluation;
  } catch (const Interrupted&) {
    p_.state.evaluation_pending = true;
    return std::nullopt;
  }
}

/// Stores an evaluation in the row and the state.
void Trainer::rate(const Evaluation& evaluation) {
  TrainerState& state = p_.state;
  row_.validation_loss = if_finite(evaluation.loss);
  row_.bits_per_byte = if_finite(evaluation.bits_per_byte.value_or(NAN));
  row_.perplexity = if_finite(evaluation.perplexity());
  if (row_.validation_loss) row_.accuracy = evaluation.accuracy;
  state.validation_loss = row_.validation_loss;
  if (state.validation_loss && (!state.best_loss || *state.validation_loss < *state.best_loss)) {
    state.best_loss = state.validation_loss;
    state.best_step = state.step;
    state.evaluations_since_best = 0;
  } else {
    ++state.evaluations_since_best;
  }
}

void Trainer::report(const Evaluation& evaluation, bool is_best) {
  const std::string bits = evaluation.bits_per_byte ? fmt::format(", {:.4f} bits/byte", *evaluation.bits_per_byte) : "";
  progress_.message(fmt::format("step {}: validation loss {}{}, accuracy {:.1f}%{}", p_.state.step,
                                fixed(evaluation.loss, 4), bits, 100 * evaluation.accuracy,
                                is_best ? ", the best so far" : ""));
}

void Trainer::log_row() {
  const double spent = step_seconds_ - step_seconds_logged_;
  row_.seconds = seconds();
  if (spent > 0) row_.tokens_per_second = static_cast<double>(p_.state.tokens - tokens_logged_) / spent;
  step_seconds_logged_ = step_seconds_;
  tokens_logged_ = p_.state.tokens;
  const bool replaces = std::exchange(row_is_logged_, false);
  try {
    replaces ? metrics_.replace(row_) : metrics_.append(row_);
    rows_are_kept_ = false;
  } catch (const Error& error) {  // a full disk ends the run at its third failed save
    if (!std::exchange(rows_are_kept_, true))
      progress_.warning(fmt::format("{}; rows are kept until there is room", error.what()));
  }
  events_.add_row(row_);
  const bool has_stepped = p_.state.step > before_.step;
  if (p_.config.train.log_every > 0 && has_stepped)
    progress_.step(row_, share_of_peak(), p_.horizon, remaining_seconds());
}

void Trainer::sample() {
  const double begun = clock_();
  answer_.begin(StopAnswer::Work::sample, p_.state.step);
  try {
    leave_if_stopped();
    progress_.at_work("sampling");
    const std::string text = sampler_(p_);
    sample_seconds_ = clock_() - begun;
    progress_.message(fmt::format("step {}: sample\n{}\n", p_.state.step, text));
    events_.add_sample(text);
  } catch (const Interrupted&) {
    // The sample is omitted.
  }
}

/// Saves in the background if a later save follows, else before it returns.
void Trainer::save(bool is_best, Retry retry) {
  answer_.begin(StopAnswer::Work::save, p_.state.step);
  progress_.at_work("saving");
  bear(Retry::later, [&] { return writer_.wait(); });  // one at a time; reports the previous failure first
  p_.state.seconds = seconds();
  p_.state.total_steps =
      p_.horizon.total_steps() < kEndless ? std::optional(std::llround(p_.horizon.total_steps())) : std::nullopt;
  const CheckpointContents contents{.config = p_.config,
                                    .vocab_size = p_.model->vocab_size(),
                                    .weights = p_.weights->masters(),
                                    .optimizer = p_.stepper->optimizer().slots(),
                                    .tokenizer = tokenizer_,
                                    .state = p_.state};
  saving_best_ = {p_.state.best_loss, p_.state.best_step};
  saving_step_ = p_.state.step;
  bear(retry, [&] {
    metrics_.sync();  // a checkpoint without the rows before it would leave a gap
    return writer_.save(contents, is_best,
                        retry == Retry::never ? CheckpointWriter::Await::yes : CheckpointWriter::Await::no);
  });
}

/// Calls `save`, which returns the seconds of a completed save. Tolerates up to kMostFailedSaves - 1 failures in a row
/// if a later save follows.
template <class Call>
void Trainer::bear(Retry retry, Call&& save) {
  try {
    const std::optional<double> seconds = save();
    if (!seconds) return;
    checkpoint_seconds_ = *seconds;
    saved_best_ = saving_best_;
    answer_.set_saved(saving_step_);
    failed_saves_ = 0;
  } catch (const Error& error) {
    if (error.code() != ExitCode::io || retry == Retry::never || ++failed_saves_ >= kMostFailedSaves) throw;
    progress_.warning(fmt::format("{}; training goes on, and the next checkpoint is tried when it is due ({} of {})",
                                  error.what(), failed_saves_, kMostFailedSaves));
    forget_unsaved_best();
  }
}

/// Resets the best loss to that of the saved checkpoint, since the best weights could not be saved.
void Trainer::forget_unsaved_best() {
  if (p_.state.best_step != saving_best_.step) return;  // a better one was found meanwhile, and is saved next
  p_.state.best_loss = saved_best_.loss;
  p_.state.best_step = saved_best_.step;
}

bool Trainer::is_due(Index every) const { return every > 0 && p_.state.step % every == 0; }

/// Returns true if an evaluation follows the next step; with a time budget, an estimate.
bool Trainer::leads_to_evaluation() const {
  const Index step = p_.state.step + 1, every = p_.config.train.eval_every;
  return p_.evaluator && (step % every == 0 || static_cast<double>(step) >= p_.horizon.total_steps());
}

Index Trainer::evaluated_tokens() const {
  return std::min(p_.data.validation.size(), p_.config.train.most_evaluated_tokens(p_.config.model.n_ctx));
}

double Trainer::seconds() const { return before_.seconds + clock_() - started_; }

/// Returns the seconds of the mean step and the last evaluation (at first estimated from the step), sample and
/// checkpoint. After the first step excludes it, since it also creates kernels and takes memory.
double Trainer::reserve_seconds() const {
  const auto later_steps = static_cast<double>(p_.state.step - before_.step - 1);
  if (later_steps == 0) return first_step_seconds_ + sample_seconds_ + checkpoint_seconds_;
  const double step = (step_seconds_ - first_step_seconds_) / later_steps;
  double evaluation = 0;
  if (p_.evaluator) {
    const Index tokens_per_step = p_.stepper->sizes().windows_per_step * p_.config.model.n_ctx;
    const double steps = static_cast<double>(evaluated_tokens()) / static_cast<double>(tokens_per_step);
    evaluation = evaluation_seconds_.value_or(kForwardShare * steps * step);
  }
  return step + evaluation + sample_seconds_ + checkpoint_seconds_;
}

/// Returns the speed relative to the machine's peak. Measures the peak in the first few calls, with warm threads, and
/// keeps the best: another thread, such as the checkpoint writer, may disturb one short measurement.
double Trainer::share_of_peak() {
  const double flops = row_.tokens_per_second.value_or(0) * flops_per_token_;
  if (peaks_measured_ < kPeakMeasurements) {
    ++peaks_measured_;
    peak_flops_ = std::max(peak_flops_, measure_peak(p_.config.train.precision));
  }
  peak_flops_ = std::max(peak_flops_, flops);
  return flops / peak_flops_;
}

double Trainer::remaining_seconds() const {
  const double now = seconds();
  if (p_.horizon.is_estimate()) return std::max(0.0, p_.horizon.spare_seconds() - (now - p_.state.seconds));
  const auto steps_taken = static_cast<double>(p_.state.step - before_.step);
  return (now - before_.seconds) / steps_taken * (p_.horizon.total_steps() - static_cast<double>(p_.state.step));
}

/// Shows the last step in the live line.
void Trainer::show() {
  progress_.at_work("");
  if (const double spent = step_seconds_ - pace_.step_seconds; spent >= kPaceSeconds || !pace_.tokens_per_second) {
    const Index tokens = p_.state.tokens - (pace_.tokens_per_second ? pace_.tokens : before_.tokens);
    pace_ = {step_seconds_, p_.state.tokens, static_cast<double>(tokens) / spent};
  }
  MetricsRow row = row_;
  row.tokens_per_second = pace_.tokens_per_second;
  progress_.live(row, p_.horizon, p_.horizon.is_reached() ? std::nullopt : std::optional(remaining_seconds()));
}

void Trainer::draw() {
  try {
    write_loss_svg(paths_);
  } catch (const Error& error) {  // a missing picture does not fail the run
    progress_.warning(error.what());
  }
}

/// Draws the loss, and logs how to resume, after the save. Returns the exit code.
int Trainer::stop(int signal) {
  draw();
  progress_.end();
  progress_.message(
      fmt::format("stopped by {} after step {}; go on with --resume", name_of_signal(signal), p_.state.step));
  return kSignalExitBase + signal;
}

void Trainer::summarise() {
  const TrainerState& state = p_.state;
  progress_.end();
  std::string text = fmt::format("{}, {} in {}", counted(state.step, "step"), counted(state.tokens, "token"),
                                 format_duration(seconds()));
  if (state.best_loss)
    text += fmt::format("; best validation loss {:.4f} at step {}", *state.best_loss, state.best_step);
  if (const std::int64_t warmup = p_.config.schedule.warmup_steps; state.step < warmup)
    text += fmt::format("; all of them within the warm-up (schedule.warmup_steps {})", warmup);
  if (state.bad_steps > 0) text += fmt::format("; {} skipped", counted(state.bad_steps, "bad step"));
  progress_.message(text);
}

}  // namespace kiln
