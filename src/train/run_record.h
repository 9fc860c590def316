// Writes what a training leaves in its run's folder. Of several ranks, the root alone does.
#pragma once

#include "kiln/run/metrics.h"
#include "kiln/train/training_monitor.h"

#include "train/checkpoint_saver.h"
#include "train/event_log.h"
#include "train/training_clock.h"
#include "train/training_parts.h"
#include <memory>
#include <optional>
#include <string>

namespace kiln {

/// The metrics, event files, checkpoints and picture of a run. All ranks must call save() together.
class RunRecord {
 public:
  using Retry = CheckpointSaver::Retry;

  /// All arguments must outlive the record.
  RunRecord(TrainingParts& parts, const RunPaths& paths, TrainingClock& clock, TrainingMonitor& monitor);

  /// Appends a row, or writes it in place of the last one of its step. Rows that cannot be written are kept in memory,
  /// with a warning.
  void log(const MetricsRow& row, bool replaces);

  /// Must be called before each step that is followed by an evaluation, and with each evaluation of a step.
  void before_evaluated_step();
  void add_evaluation();
  void add_sample(const std::string& text);

  /// Saves a checkpoint: in the background if a later save follows and no state is shared, else before it returns.
  /// Throws as CheckpointSaver::save.
  void save(bool is_best, Retry retry);
  /// Notes the end of a background save; wait() waits for it.
  void poll();
  void wait();

  /// Draws the loss. A picture that cannot be written is a warning.
  void draw() const;

 private:
  struct Files {
    MetricsWriter metrics;
    EventLog events;
    CheckpointSaver saver;
  };

  TrainingParts& p_;
  const RunPaths& paths_;
  std::unique_ptr<SharedState> shared_;
  std::unique_ptr<Files> files_;  // of the root
  bool rows_are_kept_ = false;    // because they could not be written
};

}  // namespace kiln
