// Computes the learning rate over a run, as a multiple of its peak.
#pragma once

#include "kiln/optim/schedule_config.h"
#include "kiln/tensor/view.h"

#include <limits>

namespace kiln {

/// The total_steps of a run without a known end.
inline constexpr double kEndless = std::numeric_limits<double>::max();

/// Returns the multiplier of the peak learning rate at `step`, counted from 0, of a run of `total_steps`. total_steps
/// may be an estimate that changes between steps: as long as step / total_steps does not fall, progress does not fall,
/// and decaying multipliers do not rise.
///
/// Warm-up: (step + 1) / warmup_steps, never 0, and 1 at the last warm-up step; a warm-up longer than the run is
/// clipped to it. Afterwards, with progress = (step - warmup_steps) / (total_steps - warmup_steps) in [0, 1):
///   constant      1
///   linear        from 1 to min_ratio, along progress
///   cosine        min_ratio + (1 - min_ratio) (1 + cos(pi progress)) / 2 (arXiv:1608.03983)
///   wsd           1, then linear to min_ratio over the last decay_fraction of all steps, but not before the end of the
///                 warm-up (arXiv:2404.06395)
///   inverse_sqrt  sqrt(warmup_steps / (step + 1)), a warm-up of 0 counting as 1 (arXiv:1706.03762); min_ratio does not
///                 bound it
/// linear, cosine and wsd reach min_ratio at step == total_steps, one past the last, and keep it.
double schedule_multiplier(const ScheduleConfig& config, Index step, double total_steps);

}  // namespace kiln
