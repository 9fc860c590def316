// Measures progress as a share of the run, for both kinds of end.
#include "kiln/train/horizon.h"

#include "kiln/core/error.h"

#include <algorithm>
#include <cmath>

namespace kiln {

Index steps_of_epochs(double epochs, Index windows_per_epoch, Index windows_per_step) {
  constexpr double kMostSteps = 1e15;
  constexpr double kRounding = 1e-12;  // of a product that should be whole: 0.07 * 100 is more than 7
  const double windows = epochs * static_cast<double>(windows_per_epoch);
  const double steps = std::ceil(windows / static_cast<double>(windows_per_step) * (1 - kRounding));
  check(steps <= kMostSteps, "train.epochs {} are {:.2g} steps, more than can be counted", epochs, steps);
  return std::max<Index>(1, static_cast<Index>(steps));
}

void Horizon::advance(const TrainerState& state) {
  step_ = static_cast<double>(state.step);
  const double at = by_clock_ ? state.seconds : step_;
  const double end = by_clock_ ? end_ - state.reserve_seconds : end_;
  progress_ = at < end ? std::max(progress_, at / end) : 1.0;
  if (by_clock_) spare_seconds_ = end - at;
}

double Horizon::total_steps() const {
  if (!by_clock_) return end_;
  return step_ > 0 && progress_ > 0 ? step_ / progress_ : kEndless;
}

}  // namespace kiln
