// Which losses stand out, and what becomes of the steps that have them.
#include "train/spikes.h"

#include "kiln/core/rng.h"
#include "kiln/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace kiln {
namespace {

TEST(Spikes, MeanAndVarianceAreThoseOfTheFirstLossesAndThenOfTheRecentOnes) {
  TrainerState state;
  for (const double loss : {1.0, 2.0, 4.0, 5.0}) note_loss(loss, state);
  EXPECT_DOUBLE_EQ(state.loss_mean, 3.0);
  EXPECT_DOUBLE_EQ(state.loss_variance, 2.5);
  for (int i = 0; i < 2000; ++i) note_loss(7.0, state);
  EXPECT_NEAR(state.loss_mean, 7.0, 1e-9);
  EXPECT_NEAR(state.loss_variance, 0.0, 1e-9);
}

TEST(Spikes, TheLimitStandsTheThresholdAboveTheMeanOnceEnoughWasSeen) {
  TrainerState state;
  Rng rng(3, "spikes");
  for (int i = 0; i < 19; ++i) note_loss(3 + 0.1 * rng.normal(), state);
  EXPECT_EQ(spike_limit(state, 6), kEndless);  // too few
  for (int i = 0; i < 500; ++i) {
    const double loss = 3 + 0.1 * rng.normal();
    EXPECT_LT(loss, spike_limit(state, 6));
    note_loss(loss, state);
  }
  EXPECT_NEAR(spike_limit(state, 6), 3.6, 0.3);
  EXPECT_EQ(spike_limit(state, 0), kEndless);
}

TEST(Spikes, InCalmAHundredthOfANatIsADeviation) {
  TrainerState state;
  for (int i = 0; i < 100; ++i) note_loss(2.0, state);
  EXPECT_DOUBLE_EQ(loss_deviation(state), 0.01);
  EXPECT_DOUBLE_EQ(spike_limit(state, 5), 2.05);
}

}  // namespace
}  // namespace kiln
