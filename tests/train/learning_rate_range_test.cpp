// The learning-rate range test on a model of two thousand parameters.
#include "kiln/train/learning_rate_range.h"

#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/scratch.h"
#include "support/tiny_run.h"
#include <cmath>

namespace kiln {
namespace {

using testing::expect_error_with;
using testing::Scratch;
using testing::tiny_config;

LearningRateTest test_tiny(const LearningRateRange& range) {
  const Scratch scratch;
  return test_learning_rates(tiny_config(scratch), scratch.path("tokens"), range);
}

TEST(LearningRateRange, RisesByOneFactorAndSuggestsARateBeforeTheLowestLoss) {
  const LearningRateTest test = test_tiny({.from = 1e-4, .to = 0.1, .steps = 60});
  ASSERT_EQ(test.points.size(), 60u);
  EXPECT_DOUBLE_EQ(test.points.front().learning_rate, 1e-4);
  EXPECT_NEAR(test.points.back().learning_rate, 0.1, 1e-12);
  const double factor = test.points[1].learning_rate / test.points[0].learning_rate;
  for (std::size_t i = 1; i < test.points.size(); ++i) {
    EXPECT_NEAR(test.points[i].learning_rate / test.points[i - 1].learning_rate, factor, 1e-9);
  }
  EXPECT_DOUBLE_EQ(test.points.front().smoothed, test.points.front().loss);  // the average is not pulled to zero
  EXPECT_LT(test.points.back().smoothed, test.points.front().smoothed - 0.5);
  EXPECT_GT(test.suggested, 1e-4);
  EXPECT_LE(test.suggested, test.lowest);
}

TEST(LearningRateRange, EndsWhereTheLossHasRunAway) {
  const LearningRateTest test = test_tiny({.from = 1e-3, .to = 1e6, .steps = 200});
  EXPECT_LT(test.points.size(), 200u);
  EXPECT_LT(test.suggested, 1.0);
}

TEST(LearningRateRange, IsTheSameEveryTime) {
  const LearningRateTest once = test_tiny({.steps = 30});
  const LearningRateTest again = test_tiny({.steps = 30});
  ASSERT_EQ(once.points.size(), again.points.size());
  for (std::size_t i = 0; i < once.points.size(); ++i) EXPECT_EQ(once.points[i].loss, again.points[i].loss);
}

TEST(LearningRateRange, WantsARangeAndSteps) {
  expect_error_with(ExitCode::usage, {"from 0.1 to 0.01: two learning rates above 0"},
                    [] { LearningRateRange{.from = 0.1, .to = 0.01}.validate(); });
  expect_error_with(ExitCode::usage, {"from 0 to 1"}, [] { LearningRateRange{.from = 0}.validate(); });
  expect_error_with(ExitCode::usage, {"5 steps: at least 20 are expected"},
                    [] { LearningRateRange{.steps = 5}.validate(); });
}

}  // namespace
}  // namespace kiln
