// The vectorisable conversions against Eigen's own.
#include "kiln/tensor/convert.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace kiln {
namespace {

TEST(Convert, EveryBfloat16SurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const bfloat16 x = Eigen::numext::bit_cast<bfloat16>(static_cast<std::uint16_t>(bits));
    if (std::isnan(static_cast<float>(x))) {
      EXPECT_TRUE(std::isnan(widen(x)) && std::isnan(widen(narrow<bfloat16>(widen(x))))) << bits;
    } else {
      EXPECT_EQ(widen(x), static_cast<float>(x)) << bits;
      EXPECT_EQ(narrow<bfloat16>(widen(x)).value, x.value) << bits;
    }
  }
}

TEST(Convert, NarrowRoundsAsEigenDoes) {
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += 9973) {  // a prime: every low half comes up
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (std::isnan(x)) continue;
    ASSERT_EQ(narrow<bfloat16>(x).value, static_cast<bfloat16>(x).value) << x;
  }
  EXPECT_EQ(widen(narrow<bfloat16>(1.0f + 0x1p-8f)), 1.0f);                // ties to even, down
  EXPECT_EQ(widen(narrow<bfloat16>(1.0f + 3 * 0x1p-8f)), 1.0f + 0x1p-6f);  // and up
  EXPECT_TRUE(std::isinf(widen(narrow<bfloat16>(std::numeric_limits<float>::max()))));
}

TEST(Convert, FloatAndDoubleStayAsTheyAre) {
  EXPECT_EQ(narrow<float>(widen(0.1f)), 0.1f);
  EXPECT_EQ(narrow<double>(widen(0.1)), 0.1);
}

}  // namespace
}  // namespace kiln
