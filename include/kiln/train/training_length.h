// Tracks how far a run has come towards its end.
#pragma once

#include "kiln/optim/schedule.h"
#include "kiln/run/checkpoint.h"

namespace kiln {

/// The end of a run: after a number of steps, or after a wall time. Learning rate, progress line and training loop read
/// its progress and its total of steps, exact or estimated.
class TrainingLength {
 public:
  static TrainingLength after_steps(Index steps) { return {static_cast<double>(steps), false}; }

  /// Ends the run, last save included, after this wall time: its last step ends TrainerState::reserve_seconds earlier.
  static TrainingLength after_seconds(double seconds) { return {seconds, true}; }

  /// Updates the progress to this state.
  void advance(const TrainerState& state);

  /// Returns the share of the run that is done, from 0 to 1. Never falls, even if reserve_seconds shrinks.
  double progress() const { return progress_; }
  bool is_reached() const { return progress_ >= 1; }

  /// Returns the steps of the run; with a wall time, an estimate from the pace so far, kEndless before the first step.
  double total_steps() const;

  /// Returns the wall time left before the reserve; kEndless if steps are counted.
  double spare_seconds() const { return spare_seconds_; }

  /// Returns true if total_steps may still change.
  bool is_estimate() const { return by_clock_ && !is_reached(); }

 private:
  TrainingLength(double end, bool by_clock) : end_(end), by_clock_(by_clock) {}

  double end_;  // in steps or seconds
  bool by_clock_;
  double step_ = 0;
  double progress_ = 0;
  double spare_seconds_ = kEndless;
};

}  // namespace kiln
