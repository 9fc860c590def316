// Writes a run's event files for TensorBoard, beside metrics.jsonl.
#pragma once

#include "kiln/run/metrics.h"
#include "kiln/run/tensorboard.h"

#include "train/training_parts.h"
#include "train/update_ratio.h"
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace kiln {

/// Writes scalars with every row, and with every evaluation the update-to-weight ratio and a histogram of each tensor's
/// weights and gradient. Drops a record that cannot be written, with a warning for the first in a row: such a failure
/// does not end the run.
class EventLog {
 public:
  /// Begins an event file in the run directory, unless train.tensorboard is off. `parts` must outlive the log.
  EventLog(const TrainingParts& parts, const std::filesystem::path& directory);

  /// Must be called before each step that is followed by an evaluation.
  void before_evaluated_step();

  void add_row(const MetricsRow& row);
  void add_evaluation();  // of the last step: reads its gradients
  void add_sample(const std::string& text);

 private:
  void append(const EventSummary& summary);
  void try_to(const std::function<void()>& write);

  const TrainingParts& p_;
  std::optional<EventFile> file_;
  std::optional<UpdateRatio> update_ratio_;
  std::optional<Index> remembered_step_;  // step whose weights update_ratio_ keeps
  bool has_warned_ = false;
};

}  // namespace kiln
