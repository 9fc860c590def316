// Derives speeds and reserves from the times of the parts.
#include "train/training_clock.h"

#include "kiln/core/stopwatch.h"

#include <algorithm>
#include <utility>

namespace kiln {
namespace {

constexpr double kForwardShare = 1.0 / 3;  // of a step's time: the backward does twice the work
constexpr double kPaceSeconds = 1;

std::function<double()> steady_clock() {
  return [stopwatch = Stopwatch()] { return stopwatch.seconds(); };
}

double speed(double tokens, double seconds) { return tokens / seconds; }

}  // namespace

TrainingClock::TrainingClock(std::function<double()> clock, const TrainerState& before)
    : clock_(clock ? std::move(clock) : steady_clock()), started_(clock_()), seconds_before_(before.seconds) {}

void TrainingClock::add_step(double seconds, Index tokens) {
  if (step_count_++ == 0) first_step_seconds_ = seconds;
  steps_.seconds += seconds;
  steps_.tokens += tokens;
}

void TrainingClock::set_sample(double seconds) {
  sample_seconds_ = seconds;
  apart_from_steps_ += seconds;
}

void TrainingClock::set_evaluation(double seconds) {
  evaluation_seconds_ = seconds;
  apart_from_steps_ += seconds;
}

void TrainingClock::set_drawing(double seconds, Index answers, Index evaluated) {
  expected_evaluation_seconds_ = seconds * std::max(1.0, static_cast<double>(evaluated) / static_cast<double>(answers));
}

double TrainingClock::reserve(Index evaluated_tokens) const {
  const double others = sample_seconds_ + checkpoint_seconds_;
  if (step_count_ <= 1) return first_step_seconds_ + others;
  const auto later_steps = static_cast<double>(step_count_ - 1);
  const double step = (steps_.seconds - first_step_seconds_) / later_steps;
  return step + evaluation_seconds(evaluated_tokens, step) + others;
}

double TrainingClock::evaluation_seconds(Index evaluated_tokens, double step_seconds) const {
  if (evaluated_tokens == 0) return 0;
  const double tokens_per_step = static_cast<double>(steps_.tokens) / static_cast<double>(step_count_);
  const double steps = static_cast<double>(evaluated_tokens) / tokens_per_step;
  const double expected = expected_evaluation_seconds_.value_or(kForwardShare * steps * step_seconds);
  return evaluation_seconds_.value_or(expected);
}

std::optional<double> TrainingClock::take_speed() {
  const double seconds = steps_.seconds - at_row_.seconds;
  const Index tokens = steps_.tokens - at_row_.tokens;
  at_row_ = steps_;
  return seconds > 0 ? std::optional(speed(static_cast<double>(tokens), seconds)) : std::nullopt;
}

std::optional<double> TrainingClock::pace() {
  const double seconds = steps_.seconds - at_pace_.seconds;
  if (seconds >= kPaceSeconds || (!pace_ && seconds > 0)) {
    pace_ = speed(static_cast<double>(steps_.tokens - at_pace_.tokens), seconds);
    at_pace_ = steps_;
  }
  return pace_;
}

UnitCosts TrainingClock::costs(Index evaluated_tokens) const {
  const double step = (clock_() - started_ - apart_from_steps_) / static_cast<double>(step_count_);
  return {.step = step, .evaluation = evaluation_seconds(evaluated_tokens, step), .sample = sample_seconds_};
}

}  // namespace kiln
