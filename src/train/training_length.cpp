// Measures progress as a share of the run, for both kinds of end.
#include "kiln/train/training_length.h"

#include <algorithm>

namespace kiln {

void TrainingLength::advance(const TrainerState& state) {
  step_ = static_cast<double>(state.step);
  const double at = by_clock_ ? state.seconds : step_;
  const double end = by_clock_ ? end_ - state.reserve_seconds : end_;
  progress_ = at < end ? std::max(progress_, at / end) : 1.0;
  if (by_clock_) spare_seconds_ = end - at;
}

double TrainingLength::total_steps() const {
  if (!by_clock_) return end_;
  return step_ > 0 && progress_ > 0 ? step_ / progress_ : kEndless;
}

}  // namespace kiln
