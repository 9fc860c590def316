// Both ends of a run: by steps exact, by the clock an estimate that never turns back.
#include "kiln/train/training_length.h"

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

TEST(TrainingLength, OfStepsIsExactAndKnowsNoClock) {
  TrainingLength training_length = TrainingLength::after_steps(10);
  EXPECT_EQ(training_length.progress(), 0);
  training_length.advance(at(3, 1e6, 1e6));
  EXPECT_DOUBLE_EQ(training_length.progress(), 0.3);
  EXPECT_EQ(training_length.total_steps(), 10);
  EXPECT_FALSE(training_length.is_estimate());
  EXPECT_FALSE(training_length.is_reached());
  EXPECT_EQ(training_length.spare_seconds(), kEndless);
  training_length.advance(at(10));
  EXPECT_TRUE(training_length.is_reached());
  EXPECT_EQ(training_length.total_steps(), 10);
}

TEST(TrainingLength, OfTimeTakesTheTotalFromThePaceSoFar) {
  TrainingLength training_length = TrainingLength::after_seconds(100);
  EXPECT_EQ(training_length.total_steps(), kEndless);
  training_length.advance(at(9, 22.5, 10));
  EXPECT_DOUBLE_EQ(training_length.progress(), 0.25);
  EXPECT_DOUBLE_EQ(training_length.total_steps(), 36);
  EXPECT_DOUBLE_EQ(training_length.spare_seconds(), 67.5);
  EXPECT_TRUE(training_length.is_estimate());
  training_length.advance(at(30, 90, 10));
  EXPECT_TRUE(training_length.is_reached());
  EXPECT_EQ(training_length.total_steps(), 30);
  EXPECT_FALSE(training_length.is_estimate());
}

TEST(TrainingLength, OfTimeHasNoTotalBeforeTheFirstStepThoughTheClockRuns) {
  TrainingLength training_length = TrainingLength::after_seconds(100);
  training_length.advance(at(0, 1e-7));
  EXPECT_EQ(training_length.total_steps(),
            kEndless);  // a total of 0 would put the first step behind the schedule's end
}

TEST(TrainingLength, OfTimeNeverTurnsBack) {
  TrainingLength training_length = TrainingLength::after_seconds(100);
  training_length.advance(at(1, 10, 60));
  EXPECT_DOUBLE_EQ(training_length.progress(), 0.25);
  training_length.advance(at(2, 11, 1));  // what was kept back was too much
  EXPECT_DOUBLE_EQ(training_length.progress(), 0.25);
  EXPECT_DOUBLE_EQ(training_length.total_steps(), 8);
  training_length.advance(at(3, 49.5, 1));
  EXPECT_DOUBLE_EQ(training_length.progress(), 0.5);
}

TEST(TrainingLength, OfLessTimeThanIsKeptBackIsReachedAtOnce) {
  TrainingLength training_length = TrainingLength::after_seconds(5);
  training_length.advance(at(1, 0.1, 6));
  EXPECT_TRUE(training_length.is_reached());
  EXPECT_EQ(training_length.total_steps(), 1);
}

}  // namespace
}  // namespace kiln
