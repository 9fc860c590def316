// The exponential that loops of activations use, against the library's in double.
#include "kernels/exponential.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace kiln {
namespace {

TEST(Exponential, IsRightToTheDigitsItPromises) {
  double worst = 0;
  for (int i = -800'000; i <= 800'000; i += 7) {
    const float x = static_cast<float>(i) / 10'000;
    const double exact = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::fabs(static_cast<double>(exponential(x)) - exact) / exact);
  }
  EXPECT_LT(worst, 0x1p-22);
  EXPECT_EQ(exponential(0.0f), 1.0f);
}

TEST(Exponential, StaysAtItsEndsBeyondThem) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float x : {80.5f, 90.0f, 1e30f, kInfinity}) {
    EXPECT_EQ(exponential(x), exponential(80.0f)) << x;
    EXPECT_EQ(exponential(-x), exponential(-80.0f)) << x;
  }
  EXPECT_GT(exponential(-80.0f), std::numeric_limits<float>::min());
  EXPECT_TRUE(std::isnan(exponential(std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace
}  // namespace kiln
