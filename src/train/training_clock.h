// Keeps a run's time: how long it has trained, how long its parts take, and what a time budget must reserve.
#pragma once

#include "kiln/run/checkpoint.h"
#include "kiln/tensor/view.h"

#include "train/planned_work.h"
#include <functional>
#include <optional>

namespace kiln {

class TrainingClock {
 public:
  /// `clock` returns the seconds since some moment; empty: a steady clock. Also read by the thread that writes
  /// checkpoints.
  TrainingClock(std::function<double()> clock, const TrainerState& before);

  const std::function<double()>& clock() const { return clock_; }
  double now() const { return clock_(); }

  /// Begins to count the time of training.
  void start() { started_ = clock_(); }

  /// Returns the seconds of training, including those before the run was resumed.
  double seconds() const { return seconds_before_ + clock_() - started_; }

  /// Notes how long the last step, sample, evaluation or checkpoint took.
  void add_step(double seconds, Index tokens);
  void set_sample(double seconds);
  void set_evaluation(double seconds);
  void set_checkpoint(double seconds) { checkpoint_seconds_ = seconds; }

  /// Notes how long it took to draw and score `answers`. The first evaluation, which draws `evaluated`, is then
  /// expected to take as much for each, but no less in all: the longest answers are as long.
  void set_drawing(double seconds, Index answers, Index evaluated);

  /// Returns the seconds of the mean step, of the last evaluation (at first as expected, or else estimated as a forward
  /// of `evaluated_tokens`; 0 if there are none), sample and checkpoint. After the first step excludes it, since it
  /// also creates kernels and takes memory.
  double reserve(Index evaluated_tokens) const;

  /// Returns the tokens per second of the steps since the last call; null without any.
  std::optional<double> take_speed();

  /// Returns the tokens per second of the last second of steps, at first of fewer.
  std::optional<double> pace();

  /// Returns the seconds of a step, with all that is neither an evaluation nor a sample, since training (re)started,
  /// and of an evaluation and a sample as in reserve(). Needs a step.
  UnitCosts costs(Index evaluated_tokens) const;

 private:
  /// Returns the seconds of the last evaluation, at first as expected; 0 if there are none.
  double evaluation_seconds(Index evaluated_tokens, double step_seconds) const;

  /// Steps and the time they took.
  struct Steps {
    double seconds = 0;
    Index tokens = 0;
  };

  std::function<double()> clock_;
  double started_;
  double seconds_before_;
  Index step_count_ = 0;  // these five since training (re)started
  Steps steps_;
  double first_step_seconds_ = 0;
  Steps at_row_, at_pace_;  // steps_ at the last call of take_speed, and of a new pace
  std::optional<double> pace_;
  std::optional<double> evaluation_seconds_, expected_evaluation_seconds_;
  double sample_seconds_ = 0, checkpoint_seconds_ = 0;
  double apart_from_steps_ = 0;  // seconds of all evaluations and samples
};

}  // namespace kiln
