// The law's shape: more of anything helps, repeats help less, and the optimum lies where the paper says.
#include "kiln/train/scaling_law.h"

#include <gtest/gtest.h>

#include <cmath>

namespace kiln {
namespace {

TEST(ScalingLaw, AgreesWithTheFormulaWorkedOutByHand) {
  // One pass: N' = N and D' = D.  521 / 1e9^0.3526596 = 0.3492, 1488 / 2e10^0.3526596 = 0.3467.
  EXPECT_NEAR(expected_loss(1e9, 2e10, 2e10), 1.87 + 0.3492 + 0.3467, 2e-3);
}

TEST(ScalingLaw, ATokenReadAgainIsWorthLessThanANewOne) {
  const double new_ones = expected_loss(1e6, 8e7, 8e7);
  const double four_passes = expected_loss(1e6, 8e7, 2e7);
  const double forty_passes = expected_loss(1e6, 8e7, 2e6);
  EXPECT_LT(new_ones, four_passes);
  EXPECT_LT(four_passes, forty_passes);
}

TEST(ScalingLaw, TheBestSizeForAComputationHasTheOptimalRatio) {
  const double computation = 1e18, unlimited = 1e15;
  double best = 0, lowest = 1e9;
  for (double parameters = 1e6; parameters < 1e10; parameters *= 1.01) {
    const double loss = expected_loss(parameters, computation / (6 * parameters), unlimited);
    if (loss < lowest) {
      lowest = loss;
      best = parameters;
    }
  }
  const double ratio = computation / (6 * best) / best;
  EXPECT_NEAR(ratio / compute_optimal_ratio(), 1, 0.05);
  EXPECT_NEAR(compute_optimal_ratio(), 20, 1);
}

TEST(ScalingLaw, MoreTimeOnAShortTextCallsForALargerModelOnlyUpToAPoint) {
  EXPECT_LT(expected_loss(1e6, 1e8, 4e5), expected_loss(3e5, 3e8, 4e5));
  EXPECT_NEAR(expected_loss(1e7, 1e9, 4e5), expected_loss(1e8, 1e9, 4e5), 0.01);  // nothing left to fill them with
}

}  // namespace
}  // namespace kiln
