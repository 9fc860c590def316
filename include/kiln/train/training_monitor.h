// Watches a training and may end it: a terminal shows it in a line, a server on a page.
#pragma once

#include "kiln/run/metrics.h"
#include "kiln/tensor/view.h"
#include "kiln/train/evaluate.h"
#include "kiln/train/training_length.h"

#include <optional>
#include <string>

namespace kiln {

/// What a run is doing.
enum class TrainingWork { rollout, step, evaluation, sample, save };

/// A step's figures.
struct StepFigures {
  const MetricsRow& row;
  const TrainingLength& training_length;
  std::optional<double> tokens_per_second;  // over the last second of steps
  std::optional<double> remaining_seconds;  // null before the first step and at the end
};

/// The training thread calls all functions, which do nothing unless overridden.
class TrainingMonitor {
 public:
  TrainingMonitor() = default;
  virtual ~TrainingMonitor() = default;
  TrainingMonitor(const TrainingMonitor&) = delete;
  TrainingMonitor& operator=(const TrainingMonitor&) = delete;

  /// Asked between steps and within rollouts, evaluations and samples. Once it has returned true, it must stay true:
  /// the run then saves and ends.
  virtual bool should_stop() { return false; }

  virtual void on_start() {}                                      // the folder is ready
  virtual void on_work(TrainingWork /*work*/, Index /*step*/) {}  // the step after `step`, or other work after it
  virtual void on_step(const StepFigures& /*figures*/) {}         // before the first step, and after each
  virtual void on_row(const StepFigures& /*figures*/) {}          // every row of metrics.jsonl
  virtual void on_evaluation(Index /*step*/, const Evaluation& /*evaluation*/, bool /*is_best*/) {}
  virtual void on_sample(Index /*step*/, const std::string& /*text*/) {}  // the prompt and what the model made of it
  virtual void on_save(Index /*step*/) {}                                 // a checkpoint is on disk
};

}  // namespace kiln
