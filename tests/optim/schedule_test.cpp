// Schedules at their corners.
#include "kiln/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace kiln {
namespace {

ScheduleConfig schedule(ScheduleKind type, Index warmup_steps, double min_ratio = 0.1, double decay_fraction = 0.4) {
  ScheduleConfig config;
  config.type = type;
  config.warmup_steps = warmup_steps;
  config.min_ratio = min_ratio;
  config.decay_fraction = decay_fraction;
  return config;
}

constexpr ScheduleKind kAll[] = {ScheduleKind::constant, ScheduleKind::linear, ScheduleKind::cosine, ScheduleKind::wsd,
                                 ScheduleKind::inverse_sqrt};

TEST(Schedule, WarmsUpLinearlyToThePeak) {
  for (const ScheduleKind type : kAll) {
    const ScheduleConfig config = schedule(type, 10);
    EXPECT_DOUBLE_EQ(schedule_multiplier(config, 0, 100), 0.1);
    EXPECT_DOUBLE_EQ(schedule_multiplier(config, 4, 100), 0.5);
    EXPECT_DOUBLE_EQ(schedule_multiplier(config, 9, 100), 1.0);
  }
}

TEST(Schedule, StartsAtThePeakWithoutWarmUp) {
  for (const ScheduleKind type : kAll) {
    EXPECT_DOUBLE_EQ(schedule_multiplier(schedule(type, 0), 0, 100), 1.0);
    EXPECT_DOUBLE_EQ(schedule_multiplier(schedule(type, 0), 0, 1), 1.0);
    EXPECT_DOUBLE_EQ(schedule_multiplier(schedule(type, 1), 0, 1), 1.0);
  }
}

TEST(Schedule, StaysBetweenZeroAndOneAndNeverRisesAfterTheWarmUp) {
  for (const ScheduleKind type : kAll) {
    for (const double decay_fraction : {0.0, 0.4, 1.0}) {
      const ScheduleConfig config = schedule(type, 7, 0.0, decay_fraction);
      for (Index step = 7; step < 60; ++step) {  // beyond the end, too
        const double now = schedule_multiplier(config, step, 50);
        EXPECT_LE(now, schedule_multiplier(config, step - 1, 50)) << step;
        EXPECT_GE(now, 0.0);
      }
    }
  }
}

/// By the clock the total is an estimate, step / progress, that changes at every step.
TEST(Schedule, NeverRisesAlongAProgressThatNeverFalls) {
  for (const ScheduleKind type : kAll) {
    for (const double decay_fraction : {0.0, 0.4, 1.0}) {
      const ScheduleConfig config = schedule(type, 7, 0.1, decay_fraction);
      EXPECT_DOUBLE_EQ(schedule_multiplier(config, 0, kEndless), 1.0 / 7);
      double before = schedule_multiplier(config, 7, 7 / 0.1), progress = 0.1;
      for (Index step = 8; step < 60; ++step) {
        progress += step % 5 == 0 ? 0.08 : step % 3 == 0 ? 0.0 : 0.001;  // steps that take long, no time, some time
        const double now = schedule_multiplier(config, step, static_cast<double>(step) / progress);
        EXPECT_LE(now, before + 1e-12) << step;
        before = now;
      }
      if (type == ScheduleKind::linear || type == ScheduleKind::cosine) {
        EXPECT_DOUBLE_EQ(schedule_multiplier(config, 60, 60 / 1.0), 0.1);
      }
    }
  }
}

TEST(Schedule, AWarmUpClippedToAnEstimateDoesNotExceedThePeak) {
  for (const ScheduleKind type : kAll) EXPECT_DOUBLE_EQ(schedule_multiplier(schedule(type, 100), 1, 1.4), 1.0);
}

TEST(Schedule, OfAnEndlessRunStaysAtThePeak) {
  for (const ScheduleKind type : kAll) {
    for (const double decay_fraction : {0.0, 1.0}) {
      EXPECT_DOUBLE_EQ(schedule_multiplier(schedule(type, 0, 0.1, decay_fraction), 0, kEndless), 1.0);
    }
  }
}

TEST(Schedule, ConstantStays) { EXPECT_EQ(schedule_multiplier(schedule(ScheduleKind::constant, 10), 99, 100), 1.0); }

TEST(Schedule, LinearFallsToTheMinimumOnePastTheLastStep) {
  const ScheduleConfig config = schedule(ScheduleKind::linear, 20, 0.2);
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 20, 100), 1.0);
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 60, 100), 0.6);
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 99, 100), 0.2 + 0.8 / 80);
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 100, 100), 0.2);
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 1000, 100), 0.2);
}

TEST(Schedule, CosineIsTheReferences) {
  const ScheduleConfig config = schedule(ScheduleKind::cosine, 5);
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 5, 20), 1.0);
  // tests/reference/fixtures/trajectories.json, lr_multiplier
  EXPECT_NEAR(schedule_multiplier(config, 6, 20), 0.99016642033, 1e-10);
  EXPECT_NEAR(schedule_multiplier(config, 10, 20), 0.775, 1e-10);
  EXPECT_NEAR(schedule_multiplier(config, 19, 20), 0.10983357967, 1e-10);
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 20, 20), 0.1);
}

TEST(Schedule, WsdIsStableThenFallsLinearly) {
  const ScheduleConfig config = schedule(ScheduleKind::wsd, 10, 0.1, 0.4);
  EXPECT_EQ(schedule_multiplier(config, 10, 100), 1.0);
  EXPECT_EQ(schedule_multiplier(config, 59, 100), 1.0);
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 60, 100), 1.0);
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 80, 100), 0.55);
  EXPECT_NEAR(schedule_multiplier(config, 99, 100), 1.0 - 0.9 * 39 / 40, 1e-12);
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 100, 100), 0.1);
}

TEST(Schedule, WsdFallsAfterALongWarmUpAndNotAtAllWithoutAFraction) {
  EXPECT_DOUBLE_EQ(schedule_multiplier(schedule(ScheduleKind::wsd, 80, 0.0, 0.4), 80, 100), 1.0);
  EXPECT_DOUBLE_EQ(schedule_multiplier(schedule(ScheduleKind::wsd, 80, 0.0, 0.4), 90, 100), 0.5);
  EXPECT_DOUBLE_EQ(schedule_multiplier(schedule(ScheduleKind::wsd, 10, 0.0, 0.0), 99, 100), 1.0);
}

TEST(Schedule, InverseSquareRootPassesThroughThePeakAtTheEndOfTheWarmUp) {
  const ScheduleConfig config = schedule(ScheduleKind::inverse_sqrt, 25, 0.9);  // min_ratio has no say
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 24, 1000), 1.0);
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 99, 1000), 0.5);
  EXPECT_DOUBLE_EQ(schedule_multiplier(config, 399, 1000), 0.25);
  EXPECT_DOUBLE_EQ(schedule_multiplier(schedule(ScheduleKind::inverse_sqrt, 0), 3, 1000), 0.5);
}

TEST(Schedule, AWarmUpThatFillsTheRunReachesThePeakInItsLastStep) {
  for (const ScheduleKind type : kAll) EXPECT_DOUBLE_EQ(schedule_multiplier(schedule(type, 100), 99, 100), 1.0);
}

}  // namespace
}  // namespace kiln
