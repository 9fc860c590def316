// Runs training: steps, and the logging, evaluations, samples and saves between them.
#pragma once

#include "kiln/run/checkpoint_writer.h"
#include "kiln/run/metrics.h"
#include "kiln/train/event_log.h"
#include "kiln/train/prepare.h"
#include "kiln/train/progress.h"
#include "kiln/train/stop_answer.h"
#include "kiln/train/stop_signals.h"

#include <functional>
#include <optional>
#include <string>

namespace kiln {

/// Trains a prepared run to its end, or until a signal or early stopping ends it.
class Trainer {
 public:
  /// Called every train.sample_every steps, and with train.sample_at_evaluations at each evaluation; returns the
  /// model's text. May call leave_if_stopped, which omits the sample.
  using Sampler = std::function<std::string(const Preparation&)>;

  /// Returns the seconds since some moment; never falls.
  using Clock = CheckpointWriter::Clock;  // also read by the thread that writes checkpoints

  Trainer(Preparation& preparation, const RunPaths& paths, Shown shown, Sampler sampler = {},
          Clock clock = steady_clock());

  /// Trains. Returns the exit code: 0, or 128 + the signal that stopped it. A signal also ends a current evaluation;
  /// resuming the run makes up for it before the next step.
  /// Throws Error: diverged after train.max_bad_steps bad steps in a row; io if checkpoints or metrics cannot be
  /// written.
  int run();

 private:
  static Clock steady_clock();
  std::optional<int> after_step();
  void take_step();
  [[noreturn]] void fail_diverged();
  void after_bad_step(const StepResult& result, Index first_window);
  void log_row();
  std::optional<Evaluation> evaluate();
  void rate(const Evaluation& evaluation);
  void report(const Evaluation& evaluation, bool is_best);
  void sample();
  enum class Retry { later, never };  // whether a later save can make up for a failed one
  void save(bool is_best, Retry retry);
  template <class Call>
  void bear(Retry retry, Call&& save);
  void forget_unsaved_best();
  bool is_due(Index every) const;
  bool leads_to_evaluation() const;
  Index evaluated_tokens() const;
  double seconds() const;
  double reserve_seconds() const;
  double share_of_peak();
  double remaining_seconds() const;
  void show();
  void draw();
  int stop(int signal);
  void summarise();

  Preparation& p_;
  RunPaths paths_;
  MetricsWriter metrics_;
  Progress progress_;
  EventLog events_;
  Sampler sampler_;
  StopAnswer answer_;
  StopSignals signals_;
  Clock clock_;
  double started_;  // by the clock
  double flops_per_token_;
  double peak_flops_ = 0;
  int peaks_measured_ = 0;
  TrainerState before_;  // where training (re)started
  MetricsRow row_;
  bool row_is_logged_ = false;                // by the process that omitted the evaluation
  std::optional<double> evaluation_seconds_;  // of the last one
  double sample_seconds_ = 0;                 // of the last one
  double checkpoint_seconds_ = 0;             // of the last one, background or not
  double step_seconds_ = 0;                   // in steps alone, since training (re)started
  double step_seconds_logged_ = 0;            // step_seconds_ at the last row
  double first_step_seconds_ = 0;             // of the first step since training (re)started
  Index tokens_logged_ = 0;
  /// The speed shown in the live line.
  struct Pace {
    double step_seconds = 0;
    Index tokens = 0;
    std::optional<double> tokens_per_second;
  };
  Pace pace_;
  /// The lowest validation loss and its step.
  struct Best {
    std::optional<double> loss;
    Index step;
  };
  Best saved_best_;   // of the checkpoints on disk
  Best saving_best_;  // the same after the current save
  Index saving_step_ = 0;
  int failed_saves_ = 0;
  bool rows_are_kept_ = false;  // because they could not be written
  TokenizerFiles tokenizer_;
  CheckpointWriter writer_;
};

}  // namespace kiln
