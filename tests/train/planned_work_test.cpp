// Counts of evaluations, samples and saves, held against a walk through the steps.
#include "train/planned_work.h"

#include <gtest/gtest.h>

#include "train/training_clock.h"

namespace kiln {
namespace {

/// What the trainer's loop does, step by step; every evaluation improves.
WorkPlan walk(const TrainConfig& train, Index steps, const UnitCosts& costs) {
  WorkPlan plan;
  plan.saves.count = 1;
  const auto is_due = [](Index step, Index every) { return every > 0 && step % every == 0; };
  for (Index step = 1; step <= steps; ++step) {
    const bool is_last = step == steps;
    const bool evaluated = costs.evaluation > 0 && train.eval_every > 0 && (is_due(step, train.eval_every) || is_last);
    const bool sampled = is_due(step, train.sample_every) || (evaluated && train.sample_at_evaluations);
    plan.evaluations.count += evaluated ? 1 : 0;
    plan.samples.count += sampled ? 1 : 0;
    plan.saves.count += evaluated || is_due(step, train.checkpoint_every) || is_last ? 1 : 0;
  }
  return plan;
}

TEST(PlannedWork, CountsWhatTheTrainersLoopDoes) {
  for (const Index steps : {1, 5, 6, 12, 35}) {
    for (const Index eval_every : {0, 1, 4, 6, 100}) {
      for (const Index other : {0, 1, 3, 6}) {
        TrainConfig train;
        train.eval_every = eval_every;
        train.sample_every = other;
        train.sample_at_evaluations = eval_every > 0;
        train.checkpoint_every = other;
        const UnitCosts costs{.step = 1, .evaluation = 2, .sample = 3, .save = 4, .background_save = 5};
        const WorkPlan counted = plan_work(train, steps, costs), walked = walk(train, steps, costs);
        EXPECT_EQ(counted.evaluations.count, walked.evaluations.count) << steps << " " << eval_every << " " << other;
        EXPECT_EQ(counted.samples.count, walked.samples.count) << steps << " " << eval_every << " " << other;
        EXPECT_EQ(counted.saves.count, walked.saves.count) << steps << " " << eval_every << " " << other;
      }
    }
  }
}

TEST(PlannedWork, WhatIsLeftIsTheRestOfTheWalk) {
  TrainConfig train;
  train.eval_every = 4;
  train.sample_every = 3;
  train.sample_at_evaluations = true;
  const UnitCosts costs{.step = 1, .evaluation = 100, .sample = 10'000};
  EXPECT_EQ(seconds_after(train, 0, 10, costs), 10 + 3 * 100 + 6 * 10'000);  // samples at 3, 4, 6, 8, 9 and 10
  EXPECT_EQ(seconds_after(train, 4, 10, costs), 6 + 2 * 100 + 4 * 10'000);
  EXPECT_EQ(seconds_after(train, 9, 10, costs), 1 + 100 + 10'000);
  EXPECT_EQ(seconds_after(train, 10, 12, costs), 2 + 100 + 10'000);
}

TEST(TrainingClock, AnEvaluationIsExpectedBeforeTheFirstAndNoPartOfASteps) {
  double now = 0;
  TrainingClock clock([&] { return now; }, TrainerState());
  clock.start();
  for (int step = 0; step < 2; ++step) {
    now += 3;
    clock.add_step(3, 100);
  }
  EXPECT_DOUBLE_EQ(clock.costs(500).step, 3);
  EXPECT_DOUBLE_EQ(clock.costs(500).evaluation, 5);  // a forward is a third of a step, and this is one of five
  EXPECT_DOUBLE_EQ(clock.costs(0).evaluation, 0);
  now += 40;
  clock.set_evaluation(40);
  EXPECT_DOUBLE_EQ(clock.costs(500).step, 3);
  EXPECT_DOUBLE_EQ(clock.costs(500).evaluation, 40);
}

TEST(PlannedWork, TimeIsThatOfStepsAndAllTheRest) {
  TrainConfig train;
  train.eval_every = 10;
  train.checkpoint_every = 5;
  const UnitCosts costs{.step = 1, .evaluation = 2, .sample = 3, .save = 40, .background_save = 0.5};
  const WorkPlan plan = plan_work(train, 20, costs);
  EXPECT_EQ(plan.evaluations.seconds, 2 * 2);
  EXPECT_EQ(plan.samples.count, 0);
  EXPECT_EQ(plan.saves.count, 5);  // at steps 0, 5, 10, 15 and 20; the first and last are awaited
  EXPECT_EQ(plan.saves.seconds, 2 * 40 + 3 * 0.5);
  EXPECT_EQ(plan.seconds, 20 + 4 + 81.5);
  train.async_checkpoint = false;
  EXPECT_EQ(plan_work(train, 20, costs).saves.seconds, 5 * 40);
}

TEST(PlannedWork, ATimeBudgetHoldsTheRestToo) {
  TrainConfig train;
  train.eval_every = 10;
  train.checkpoint_every = 0;
  const UnitCosts costs{.step = 1, .evaluation = 5, .sample = 0, .save = 2, .background_save = 0};
  const Index steps = steps_within(train, 100, costs);
  EXPECT_LE(plan_work(train, steps, costs).seconds, 100);
  EXPECT_GT(plan_work(train, steps + 1, costs).seconds, 100);
  EXPECT_EQ(steps, 61);  // 61 + 7 evaluations + 4 of saves
  EXPECT_EQ(steps_within(train, 3, costs), 0);
}

}  // namespace
}  // namespace kiln
