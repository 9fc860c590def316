// Ceilings are above what real kernels reach, and of a plausible size.
#include "kiln/kernels/machine.h"

#include "kiln/core/processor.h"
#include "kiln/core/threads.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(Machine, MeasuresPlausibleCeilings) {
  set_threads(1);
  EXPECT_GT(measure_float_peak(), 1e9);
  EXPECT_LT(measure_float_peak(), 1e12);
  EXPECT_GT(measure_bfloat16_peak(), 1e9);
  EXPECT_LT(measure_bfloat16_peak(), 1e13);
  EXPECT_FALSE(processor_name().empty());
}

TEST(Machine, TilesMakeBfloat16TheFaster) {
  EXPECT_TRUE(has_fast_bfloat16() || !has_bfloat16_tiles());
  EXPECT_TRUE(!has_fast_bfloat16() || has_bfloat16_products());
}

}  // namespace
}  // namespace kiln
