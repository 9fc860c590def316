// Runs training: steps, and the logging, evaluations, samples and saves between them.
#pragma once

#include "kiln/run/metrics.h"
#include "kiln/train/training_monitor.h"
#include "kiln/train/training_run.h"

#include "train/agreed_monitor.h"
#include "train/run_record.h"
#include "train/training_clock.h"
#include "train/training_parts.h"
#include <functional>
#include <optional>

namespace kiln {

/// Trains prepared parts to the run's end, or until the monitor or early stopping ends it.
class Trainer {
 public:
  /// All references must outlive the trainer.
  Trainer(TrainingParts& parts, const RunPaths& paths, TrainingMonitor& monitor, std::function<double()> clock = {});

  /// Trains, as TrainingRun::train describes.
  TrainingEnd run();

 private:
  bool after_step();
  bool take_step();
  bool draw_rollout(double begun);
  void note_step(const StepResult& result, double seconds, Index first);
  void warn_after_first_pass(Index drawn_before);
  void note_preferences(const PreferenceSums& sums);
  void warn_if_right_at_once(const PreferenceSums& sums);
  void note_rollout(const PolicySums& sums, Index first);
  void warn_of_overoptimisation(const Evaluation& evaluation);
  [[noreturn]] void fail_diverged(const std::string& found);
  void judge_step(const StepResult& result, Index first_example, double spike);
  void end_if_diverged();
  void log_row();
  std::optional<Evaluation> evaluate();
  void rate(const Evaluation& evaluation);
  void sample();
  void save(bool is_best, RunRecord::Retry retry);
  void agree();
  void agree_on_best();
  double reserve() const;
  bool is_due(Index every) const { return every > 0 && p_.state.step % every == 0; }
  bool leads_to_evaluation() const;
  Index evaluated_tokens() const;
  StepFigures figures();
  std::optional<double> remaining_seconds() const;

  TrainingParts& p_;
  World& world_;
  const RunPaths& paths_;
  TrainingMonitor& own_monitor_;
  AgreedMonitor monitor_;      // of all ranks
  const TrainerState before_;  // where training (re)started
  TrainingClock clock_;
  RunRecord record_;
  MetricsRow row_;
  Index right_steps_ = 0, right_comparisons_ = 0;  // see warn_if_right_at_once
  bool row_is_logged_ = false;                     // by the process that omitted the evaluation
};

}  // namespace kiln
