// Intervals of shares, against values worked out by hand.
#include "kiln/core/intervals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace kiln {
namespace {

TEST(Intervals, WilsonsIntervalOfAShare) {
  const auto [low, high] = wilson_interval(std::int64_t{8}, std::int64_t{10});
  EXPECT_NEAR(low, 0.490162, 1e-6);
  EXPECT_NEAR(high, 0.943318, 1e-6);
  const auto [none_low, none_high] = wilson_interval(0.0, 20.0);
  EXPECT_EQ(none_low, 0);
  EXPECT_NEAR(none_high, 0.161125, 1e-6);
  const auto [all_low, all_high] = wilson_interval(20.0, 20.0);
  EXPECT_NEAR(all_low, 1 - 0.161125, 1e-6);
  EXPECT_EQ(all_high, 1);
}

TEST(Intervals, AShareOfSingleTrialsHasWilsonsInterval) {
  std::vector<TrialGroup> groups(10, {.hits = 0, .trials = 1});
  for (std::size_t i = 0; i < 8; ++i) groups[i].hits = 1;
  const Share share = share_of(groups);
  EXPECT_DOUBLE_EQ(share.value, 0.8);
  EXPECT_NEAR(share.low, 0.490162, 1e-6);
  EXPECT_NEAR(share.high, 0.943318, 1e-6);
  EXPECT_EQ(share.trials, 10);
}

TEST(Intervals, TrialsThatMoveTogetherCountAsOne) {
  std::vector<TrialGroup> groups(10, {.hits = 0, .trials = 6});  // all of a group's trials have the same outcome
  for (std::size_t i = 0; i < 8; ++i) groups[i].hits = 6;
  const Share share = share_of(groups);
  EXPECT_DOUBLE_EQ(share.value, 0.8);
  EXPECT_NEAR(share.low, 0.490162, 1e-6);
  EXPECT_NEAR(share.high, 0.943318, 1e-6);
  EXPECT_EQ(share.trials, 60);
}

TEST(Intervals, GroupsThatDifferLessThanChanceCountAsTheirTrials) {
  const std::vector<TrialGroup> groups(5, {.hits = 1, .trials = 2});
  const Share share = share_of(groups);
  const auto [low, high] = wilson_interval(5.0, 10.0);
  EXPECT_DOUBLE_EQ(share.low, low);
  EXPECT_DOUBLE_EQ(share.high, high);
}

TEST(Intervals, WhereAllAreHitsEachGroupCountsOnce) {
  const std::vector<TrialGroup> groups(20, {.hits = 3, .trials = 3});
  const Share share = share_of(groups);
  EXPECT_EQ(share.value, 1);
  EXPECT_NEAR(share.low, 1 - 0.161125, 1e-6);
  const std::vector<TrialGroup> one{{.hits = 2, .trials = 8}};
  EXPECT_NEAR(share_of(one).high - share_of(one).low, 0.867, 1e-3) << "one group says little";
}

TEST(Intervals, NoTrialsGiveNoShare) {
  const Share share = share_of({});
  EXPECT_TRUE(std::isnan(share.value));
  EXPECT_TRUE(std::isnan(share.low));
  EXPECT_EQ(share.trials, 0);
}

}  // namespace
}  // namespace kiln
