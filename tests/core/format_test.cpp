// Numbers as people read them.
#include "kiln/core/format.h"

#include <gtest/gtest.h>

#include <cmath>

namespace kiln {
namespace {

TEST(Format, SetsThousandsApart) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1003854), "1,003,854");
  EXPECT_EQ(format_count(-123456), "-123,456");
  EXPECT_EQ(grouped(12345.678, 2), "12,345.68");
  EXPECT_EQ(grouped(-0.25, 2), "-0.25");
}

TEST(Format, ChoosesTheUnitOfBytes) {
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1.5e6), "1.50 MB");
  EXPECT_EQ(format_bytes(2.1e15), "2100.00 TB");
}

TEST(Format, CountsOneThingInTheSingular) {
  EXPECT_EQ(counted(1, "token"), "1 token");
  EXPECT_EQ(counted(0, "token"), "0 tokens");
  EXPECT_EQ(counted(12345, "bad step"), "12,345 bad steps");
  EXPECT_EQ(counted(1, "entry"), "1 entry");
  EXPECT_EQ(counted(3, "entry"), "3 entries");
  EXPECT_EQ(counted(2, "batch"), "2 batches");
  EXPECT_EQ(counted(2, "key"), "2 keys");
}

TEST(Format, RoundsWithoutAnExponent) {
  EXPECT_EQ(approximate(0.354), "0.35");
  EXPECT_EQ(approximate(99.4), "99");
  EXPECT_EQ(approximate(217.6), "218");
  EXPECT_EQ(approximate(1234.4, 3), "1,234");
  EXPECT_EQ(approximate(INFINITY), "infinity");
  EXPECT_EQ(counted_about(220, "pass"), "220 passes");
  EXPECT_EQ(counted_about(1.04, "pass"), "1 pass");
  EXPECT_EQ(counted_about(0.5, "pass"), "0.5 passes");
}

TEST(Format, NamesWhatIsNotFinite) {
  EXPECT_EQ(fixed(1.23456, 2), "1.23");
  EXPECT_EQ(significant(1234.56, 4), "1235");
  EXPECT_EQ(fixed(-std::nan(""), 2), "NaN");
  EXPECT_EQ(significant(std::nan(""), 2), "NaN");
  EXPECT_EQ(fixed(INFINITY, 2), "infinity");
  EXPECT_EQ(significant(-INFINITY, 2), "-infinity");
}

TEST(Format, ChoosesTheUnitsOfADuration) {
  EXPECT_EQ(format_duration(0.85), "850 ms");
  EXPECT_EQ(format_duration(1.5), "1.5 s");
  EXPECT_EQ(format_duration(3), "3 s");
  EXPECT_EQ(format_duration(9.96), "10 s");
  EXPECT_EQ(format_duration(59.4), "59 s");
  EXPECT_EQ(format_duration(200), "3 min 20 s");
  EXPECT_EQ(format_duration(18720), "5 h 12 min");
  EXPECT_EQ(format_duration(19 * 86400 + 5 * 3600), "19 days 5 h");
}

}  // namespace
}  // namespace kiln
