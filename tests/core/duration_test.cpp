// Durations as they are written, and what is none.
#include "kiln/core/duration.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(Duration, IsNumbersWithTheirUnits) {
  EXPECT_EQ(parse_duration("90s")->seconds, 90);
  EXPECT_EQ(parse_duration("30m")->seconds, 1800);
  EXPECT_EQ(parse_duration("1h30m")->seconds, 5400);
  EXPECT_EQ(parse_duration("2.5h")->seconds, 9000);
  EXPECT_EQ(parse_duration("1d2h3m4.5s")->seconds, 86400 + 7200 + 180 + 4.5);
  EXPECT_EQ(parse_duration("0s")->seconds, 0);
}

TEST(Duration, IsNothingElse) {
  for (const char* text : {"", "soon", "90", "s", "h30m", "-5m", "+5m", "30 m", "30min", "30m1h", "1h1h", "1h30",
                           "1e3s", "infs", "nans", "0x1s", ".", "30M"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

}  // namespace
}  // namespace kiln
