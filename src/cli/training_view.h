// Shows a training in the terminal and in its log, and ends it at a signal.
#pragma once

#include "kiln/train/training_monitor.h"
#include "kiln/train/training_run.h"

#include "cli/live_line.h"
#include "cli/stop_answer.h"
#include "cli/stop_signals.h"
#include <optional>
#include <string>

namespace kiln::cli {

class TrainingView final : public TrainingMonitor {
 public:
  /// `run` must outlive the view.
  TrainingView(const TrainingRun& run, Shown shown);

  /// Logs how the training ended.
  void conclude(TrainingEnd end);

  /// Returns the signal that ended it, if one did.
  std::optional<int> signal() const { return signals_.received(); }

  bool should_stop() override { return signals_.received().has_value(); }
  void on_start() override;
  void on_work(TrainingWork work, Index step) override;
  void on_step(const StepFigures& figures) override;
  void on_row(const StepFigures& figures) override;
  void on_policy_evaluation(Index step, const Evaluation& evaluation, bool is_best);
  void on_evaluation(Index step, const Evaluation& evaluation, bool is_best) override;
  void on_sample(Index step, const std::string& text) override;
  void on_save(Index step) override { answer_.set_saved(step); }

 private:
  void introduce() const;
  std::string summary() const;
  const char* best_policy_score() const;
  double share_of_peak(double tokens_per_second);

  const TrainingRun& run_;
  LiveLine line_;
  StopAnswer answer_;
  StopSignals signals_;
  double flops_per_token_;
  double peak_flops_ = 0;
  int peaks_measured_ = 0;
};

}  // namespace kiln::cli
