// Keeps a running mean and variance: exact at first, exponentially weighted after kWindow losses.
#include "train/spikes.h"

#include "kiln/optim/schedule.h"

#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

constexpr std::int64_t kWindow = 50;  // losses
constexpr std::int64_t kFewest = 20;  // losses before spikes are detected

constexpr double kCalm = 0.01;  // nats

}  // namespace

double loss_deviation(const TrainerState& state) { return std::max(kCalm, std::sqrt(state.loss_variance)); }

double spike_limit(const TrainerState& state, double threshold) {
  if (threshold == 0 || state.losses < kFewest) return kEndless;
  return state.loss_mean + threshold * loss_deviation(state);
}

void note_loss(double loss, TrainerState& state) {
  ++state.losses;
  const double weight = 1.0 / static_cast<double>(std::min(state.losses, kWindow));
  const double difference = loss - state.loss_mean;
  state.loss_mean += weight * difference;
  state.loss_variance = (1 - weight) * (state.loss_variance + weight * difference * difference);
}

}  // namespace kiln
