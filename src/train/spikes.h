// Losses that stand out of those before them.
#pragma once

#include "kiln/run/checkpoint.h"

namespace kiln {

/// The standard deviation of the recent losses; a hundredth of a nat at least, so that in calm nothing stands out.
double loss_deviation(const TrainerState& state);

/// The loss from which a step is a spike: `threshold` deviations above the mean of the recent ones. kEndless
/// (no loss reaches it) where the threshold is 0, and as long as too few have been seen to tell.
double spike_limit(const TrainerState& state, double threshold);

/// Takes a finite loss into the mean and variance that the state keeps, which weigh about the last 50 losses.
void note_loss(double loss, TrainerState& state);

}  // namespace kiln
