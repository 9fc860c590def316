// Detects loss spikes.
#pragma once

#include "kiln/run/checkpoint.h"

namespace kiln {

/// Returns the standard deviation of the recent losses, at least 0.01 nats, so that a flat curve has no spikes.
double loss_deviation(const TrainerState& state);

/// Returns the loss above which a step is a spike: `threshold` deviations above the mean of the recent losses. Returns
/// kEndless (no spikes) if the threshold is 0 or fewer than 20 losses were noted.
double spike_limit(const TrainerState& state, double threshold);

/// Updates the state's running mean and variance, over about the last 50 losses, by a finite loss.
void note_loss(double loss, TrainerState& state);

}  // namespace kiln
