// What TensorBoard shows of a run: event files beside metrics.jsonl.
#pragma once

#include "kiln/run/metrics.h"
#include "kiln/run/tensorboard.h"
#include "kiln/train/prepare.h"
#include "kiln/train/update_ratio.h"

#include <functional>
#include <optional>
#include <string>

namespace kiln {

/// Writes scalars with every row, and with every evaluation the update-to-weight ratio and a histogram of each tensor's
/// weights and gradient. A record that cannot be written is lost, with a warning for the first in a row: a run that has
/// its weights and metrics has not failed for want of it.
class EventLog {
 public:
  using Warn = std::function<void(const std::string&)>;

  /// Begins an event file in the run directory, unless train.tensorboard is off. `preparation` must outlive this
  /// object.
  EventLog(const Preparation& preparation, const std::filesystem::path& directory, Warn warn);

  /// To be called before a step that an evaluation follows.
  void before_evaluated_step();

  void add_row(const MetricsRow& row);
  void add_evaluation();  // of the step just taken: reads its gradients
  void add_sample(const std::string& text);

 private:
  void append(const EventSummary& summary);
  void try_to(const std::function<void()>& write);

  const Preparation& p_;
  Warn warn_;
  std::optional<EventFile> file_;
  std::optional<UpdateRatio> update_ratio_;
  std::optional<Index> remembered_step_;  // after which update_ratio_ remembers the weights
  bool has_warned_ = false;
};

}  // namespace kiln
