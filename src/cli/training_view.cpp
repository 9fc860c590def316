// Puts the events of a training into words.
#include "cli/training_view.h"

#include "kiln/core/format.h"
#include "kiln/core/threads.h"
#include "kiln/nn/language_model.h"
#include "kiln/train/plan.h"
#include "kiln/train/timing.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "cli/log.h"
#include <algorithm>
#include <cmath>

namespace kiln::cli {
namespace {

constexpr int kPeakMeasurements = 4;  // about 25 ms each, one per row

}  // namespace

TrainingView::TrainingView(const TrainingRun& run, Shown shown)
    : run_(run),
      line_(shown),
      signals_([this](int signal) { line_.answer(answer_.to(signal)); }),
      flops_per_token_(training_flops_per_token(run.config().model, run.layout(), run.trained())) {
  answer_.set_saved(run.state().step);
  answer_.begin(TrainingWork::save, run.state().step);
}

void TrainingView::on_start() {
  log_to(run_.paths().log());
  introduce();
}

void TrainingView::introduce() const {
  const ParameterCounts counts = ParameterCounts::of(run_.layout());
  spdlog::info("{}: {} ({} without the token embedding), {}, {} held out", run_.paths().root.string(),
               counted(counts.total, "parameter"), format_count(counts.total_without_token_embedding),
               counted(run_.training_tokens(), "training token"), format_count(run_.held_out_tokens()));
  if (const int ranks = run_.world().size(); ranks > 1) {
    spdlog::info("{} ranks of {} each train together, {}", ranks, counted(threads(), "thread"),
                 run_.config().distributed.shard ? "and share the optimizer's state" : "each with all of the state");
  }
  const Index trained = run_.trained().count();
  if (trained == counts.total) return;
  spdlog::info("{} train ({}); the others stay as they are", counted(trained, "parameter"),
               run_.config().model.lora.is_on() ? "lora" : "all but train.freeze");
}

void TrainingView::on_work(TrainingWork work, Index step) {
  answer_.begin(work, step);
  if (!line_.is_live()) return;
  line_.set_work(work == TrainingWork::rollout      ? "drawing"
                 : work == TrainingWork::step       ? fmt::format("step {}", step + 1)
                 : work == TrainingWork::evaluation ? "evaluating"
                 : work == TrainingWork::sample     ? "sampling"
                                                    : "saving");
}

void TrainingView::on_step(const StepFigures& figures) { line_.show_step(figures); }

void TrainingView::on_row(const StepFigures& figures) {
  const bool draws = figures.row.reward.has_value();  // most of a step's time is not training's
  line_.show_row(figures, draws ? 0 : share_of_peak(figures.row.tokens_per_second.value_or(0)));
}

void TrainingView::on_evaluation(Index step, const Evaluation& evaluation, bool is_best) {
  if (evaluation.reward) return on_policy_evaluation(step, evaluation, is_best);
  const std::string bits =
      evaluation.bits_per_byte ? fmt::format(", {} bits/byte", fixed(*evaluation.bits_per_byte, 4)) : "";
  const bool has_accuracy = std::isfinite(evaluation.loss) && std::isfinite(evaluation.accuracy);  // not of ties alone
  const std::string accuracy = has_accuracy ? fmt::format(", accuracy {:.1f}%", 100 * evaluation.accuracy) : "";
  const std::string ends =
      evaluation.end_accuracy ? fmt::format(", at ends of turns {:.1f}%", 100 * *evaluation.end_accuracy) : "";
  line_.lines(fmt::format("step {}: validation loss {}{}{}{}{}", step, fixed(evaluation.loss, 4), bits, accuracy, ends,
                          is_best ? ", the best so far" : ""));
  for (const Evaluation& part : evaluation.parts) {
    line_.lines(fmt::format("  {}: loss {}, accuracy {:.1f}%", part.part, fixed(part.loss, 4), 100 * part.accuracy));
  }
}

void TrainingView::on_policy_evaluation(Index step, const Evaluation& evaluation, bool is_best) {
  const std::string gold = evaluation.gold ? fmt::format(", gold {}", fixed(*evaluation.gold, 4)) : "";
  const std::string kl = evaluation.kl ? fmt::format(", KL {} nats", fixed(*evaluation.kl, 3)) : "";
  line_.lines(fmt::format("step {}: held-out reward {}{}{}{}", step, fixed(*evaluation.reward, 4), gold, kl,
                          is_best ? ", the best so far" : ""));
}

void TrainingView::on_sample(Index step, const std::string& text) {
  line_.lines(fmt::format("step {}: sample\n{}\n", step, text));
}

/// Returns the speed relative to the machine's peak. Measures the peak in the first few calls, with warm threads, and
/// keeps the best: another thread, such as the checkpoint writer, may disturb one short measurement.
double TrainingView::share_of_peak(double tokens_per_second) {
  const double flops = tokens_per_second * flops_per_token_ / run_.world().size();
  if (peaks_measured_ < kPeakMeasurements) {
    ++peaks_measured_;
    peak_flops_ = std::max(peak_flops_, measure_peak(run_.config().train.precision));
  }
  peak_flops_ = std::max(peak_flops_, flops);
  return flops / peak_flops_;
}

void TrainingView::conclude(TrainingEnd end) {
  line_.end();
  const TrainerState& state = run_.state();
  if (const std::optional<int> signal = signals_.received(); end == TrainingEnd::stopped && signal) {
    return line_.lines(
        fmt::format("stopped by {} after step {}; continue with --resume", name_of_signal(*signal), state.step));
  }
  if (end == TrainingEnd::early) {
    const bool is_policy = is_of_policy(run_.config().objective.type);
    line_.lines(fmt::format("no better {} in {}: stopped at step {}",
                            is_policy ? best_policy_score() : "validation loss",
                            counted(state.evaluations_since_best, "evaluation"), state.step));
  }
  line_.lines(summary());
}

/// Returns what the best checkpoint of a policy is chosen by.
const char* TrainingView::best_policy_score() const {
  return run_.config().policy.gold.empty() ? "held-out reward" : "held-out gold";
}

std::string TrainingView::summary() const {
  const TrainerState& state = run_.state();
  std::string text = fmt::format("{}, {} in {}", counted(state.step, "step"), counted(state.tokens, "token"),
                                 format_duration(state.seconds));
  const bool is_policy = is_of_policy(run_.config().objective.type);
  if (state.best_loss) {
    text += fmt::format("; best {} {:.4f} at step {}", is_policy ? best_policy_score() : "validation loss",
                        is_policy ? -*state.best_loss : *state.best_loss, state.best_step);
  }
  if (const std::int64_t warmup = run_.config().schedule.warmup_steps; state.step < warmup)
    text += fmt::format("; all of them within the warm-up (schedule.warmup_steps {})", warmup);
  if (state.bad_steps > 0) text += fmt::format("; {} skipped", counted(state.bad_steps, "bad step"));
  return text;
}

}  // namespace kiln::cli
