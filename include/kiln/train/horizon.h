// Where a run ends, and how far from there it is.
#pragma once

#include "kiln/optim/schedule.h"
#include "kiln/run/checkpoint.h"

namespace kiln {

/// The steps of so many passes over the training windows, at least 1. Throws Error (usage) for more than can be
/// counted.
Index steps_of_epochs(double epochs, Index windows_per_epoch, Index windows_per_step);

/// The end of a run: after a number of steps, or where the clock says so. The learning rate, the progress line and the
/// loop of training know it by how far the run has come and by its total of steps, exact or estimated.
class Horizon {
 public:
  static Horizon after_steps(Index steps) { return {static_cast<double>(steps), false}; }

  /// After so much wall time the run is to be over and saved: its last step ends TrainerState::reserve_seconds before.
  static Horizon after_seconds(double seconds) { return {seconds, true}; }

  /// Moves on to where the run stands.
  void advance(const TrainerState& state);

  /// The share of the run that lies behind, from 0 to 1. It never falls, though what is kept back may shrink.
  double progress() const { return progress_; }
  bool is_reached() const { return progress_ >= 1; }

  /// The steps of the run; by the clock, as many as the pace so far comes to, which is kEndless before the first.
  double total_steps() const;

  /// The time that may be spent on other things than steps; kEndless where steps are counted.
  double spare_seconds() const { return spare_seconds_; }

  /// Whether total_steps may still change.
  bool is_estimate() const { return by_clock_ && !is_reached(); }

 private:
  Horizon(double end, bool by_clock) : end_(end), by_clock_(by_clock) {}

  double end_;  // in steps or seconds
  bool by_clock_;
  double step_ = 0;
  double progress_ = 0;
  double spare_seconds_ = kEndless;
};

}  // namespace kiln
