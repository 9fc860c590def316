// Tests that labels do not overlap, and that shortened names stay distinct.
#include "plot/label_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pointwise;

void expect_near(const std::vector<double>& found, const std::vector<double>& expected) {
  EXPECT_THAT(found, Pointwise(DoubleNear(1e-9), expected));
}

TEST(Spread, LeavesAloneWhatIsFarApart) { expect_near(spread({1, 9, 5}, 2, 0, 10), {1, 9, 5}); }

TEST(Spread, PushesNeighboursApartAroundTheirMean) {
  expect_near(spread({5, 5}, 2, 0, 10), {4, 6});
  expect_near(spread({5, 5.2, 5.1}, 1, 0, 10), {4.1, 6.1, 5.1});
  expect_near(spread({1, 5, 5, 9}, 2, 0, 10), {1, 4, 6, 9});
}

TEST(Spread, StaysWithinTheEnds) {
  expect_near(spread({0, 0, 0}, 2, 0, 10), {0, 2, 4});
  expect_near(spread({10, 10, 10}, 2, 0, 10), {6, 8, 10});
  expect_near(spread({20}, 2, 0, 10), {10});
  expect_near(spread({5, 5, 5}, 100, 0, 10), {0, 5, 10});  // closer than wanted if there is no room
  EXPECT_TRUE(spread({}, 1, 0, 10).empty());
}

TEST(ToldApart, LeavesShortNamesAsTheyAre) {
  EXPECT_THAT(told_apart({"tales", "other"}, 10), ElementsAre("tales", "other"));
}

TEST(ToldApart, LeavesOutTheBeginningThatLongNamesShare) {
  EXPECT_THAT(told_apart({"experiment-width-128", "experiment-width-1024"}, 12), ElementsAre("…128", "…1024"));
}

TEST(ToldApart, LeavesOutTheMiddleOfWhatIsStillTooLong) {
  EXPECT_THAT(told_apart({"abcdefghijklmnop"}, 7), ElementsAre("abc…nop"));
  EXPECT_THAT(told_apart({"漢字漢字漢字"}, 7), ElementsAre("漢…漢字"));
  EXPECT_THAT(told_apart({"abcdefghijk", "xbcdefghijk"}, 5), ElementsAre("ab…jk", "xb…jk"));
}

}  // namespace
}  // namespace kiln
