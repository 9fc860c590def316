// The conductor: steps, and what happens between them.
#pragma once

#include "kiln/core/stopwatch.h"
#include "kiln/run/metrics.h"
#include "kiln/train/prepare.h"
#include "kiln/train/progress.h"
#include "kiln/train/stop_signals.h"

#include <functional>

namespace kiln {

/// Trains a prepared run to its end, or until a signal or early stopping ends it.
class Trainer {
 public:
  /// Called every train.sample_every steps; returns text for the log.
  using Sampler = std::function<std::string(const Preparation&)>;

  Trainer(Preparation& preparation, const RunPaths& paths, bool quiet, Sampler sampler = {});

  /// Returns the exit code: 0, or 128 + the signal that asked it to stop and save.
  /// Throws Error: diverged after train.max_bad_steps bad steps in a row; io where checkpoints or metrics cannot be
  /// written.
  int run();

 private:
  void take_step();
  void after_bad_step(const StepResult& result, Index first_window);
  void log_row();
  Evaluation evaluate();
  void report(const Evaluation& evaluation, bool is_best);
  void save(bool is_best);
  bool is_due(Index every) const;
  double seconds() const;
  double share_of_peak() const;
  double remaining_seconds() const;
  void draw();
  void summarise();

  Preparation& p_;
  RunPaths paths_;
  MetricsWriter metrics_;
  Progress progress_;
  Sampler sampler_;
  StopSignals signals_;
  Stopwatch since_start_;
  double seconds_before_;  // of earlier parts of the run
  double flops_per_token_, peak_flops_;
  Index first_step_;
  MetricsRow row_;
  double step_seconds_ = 0;         // in steps alone, since training (re)started
  double step_seconds_logged_ = 0;  // the same, at the last row
  Index tokens_logged_ = 0;
  int failed_saves_ = 0;
};

}  // namespace kiln
