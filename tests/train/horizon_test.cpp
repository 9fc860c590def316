// Both ends of a run: by steps exact, by the clock an estimate that never turns back.
#include "kiln/train/horizon.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TrainerState at(Index step, double seconds = 0, double reserve_seconds = 0) {
  TrainerState state;
  state.step = step;
  state.seconds = seconds;
  state.reserve_seconds = reserve_seconds;
  return state;
}

TEST(Horizon, OfStepsIsExactAndKnowsNoClock) {
  Horizon horizon = Horizon::after_steps(10);
  EXPECT_EQ(horizon.progress(), 0);
  horizon.advance(at(3, 1e6, 1e6));
  EXPECT_DOUBLE_EQ(horizon.progress(), 0.3);
  EXPECT_EQ(horizon.total_steps(), 10);
  EXPECT_FALSE(horizon.is_estimate());
  EXPECT_FALSE(horizon.is_reached());
  EXPECT_EQ(horizon.spare_seconds(), kEndless);
  horizon.advance(at(10));
  EXPECT_TRUE(horizon.is_reached());
  EXPECT_EQ(horizon.total_steps(), 10);
}

TEST(Horizon, OfTimeTakesTheTotalFromThePaceSoFar) {
  Horizon horizon = Horizon::after_seconds(100);
  EXPECT_EQ(horizon.total_steps(), kEndless);
  horizon.advance(at(9, 22.5, 10));
  EXPECT_DOUBLE_EQ(horizon.progress(), 0.25);
  EXPECT_DOUBLE_EQ(horizon.total_steps(), 36);
  EXPECT_DOUBLE_EQ(horizon.spare_seconds(), 67.5);
  EXPECT_TRUE(horizon.is_estimate());
  horizon.advance(at(30, 90, 10));
  EXPECT_TRUE(horizon.is_reached());
  EXPECT_EQ(horizon.total_steps(), 30);
  EXPECT_FALSE(horizon.is_estimate());
}

TEST(Horizon, OfTimeHasNoTotalBeforeTheFirstStepThoughTheClockRuns) {
  Horizon horizon = Horizon::after_seconds(100);
  horizon.advance(at(0, 1e-7));
  EXPECT_EQ(horizon.total_steps(), kEndless);  // a total of 0 would put the first step behind the schedule's end
}

TEST(Horizon, OfTimeNeverTurnsBack) {
  Horizon horizon = Horizon::after_seconds(100);
  horizon.advance(at(1, 10, 60));
  EXPECT_DOUBLE_EQ(horizon.progress(), 0.25);
  horizon.advance(at(2, 11, 1));  // what was kept back was too much
  EXPECT_DOUBLE_EQ(horizon.progress(), 0.25);
  EXPECT_DOUBLE_EQ(horizon.total_steps(), 8);
  horizon.advance(at(3, 49.5, 1));
  EXPECT_DOUBLE_EQ(horizon.progress(), 0.5);
}

TEST(Horizon, OfLessTimeThanIsKeptBackIsReachedAtOnce) {
  Horizon horizon = Horizon::after_seconds(5);
  horizon.advance(at(1, 0.1, 6));
  EXPECT_TRUE(horizon.is_reached());
  EXPECT_EQ(horizon.total_steps(), 1);
}

}  // namespace
}  // namespace kiln
