// The gradient's length and the clipping factor.
#include "kiln/optim/clip.h"

#include "kiln/core/rng.h"
#include "kiln/core/threads.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace kiln {
namespace {

TEST(SumOfSquares, EqualsALoopForEveryCount) {
  Rng rng(31, "test");
  std::vector<float> data(300'000);
  for (float& value : data) value = static_cast<float>(rng.normal());
  for (const Index count : {0, 1, 15, 16, 17, 4095, 4096, 4097, 65'537, 300'000}) {
    long double expected = 0;
    for (Index i = 0; i < count; ++i) {
      const long double value = data[static_cast<std::size_t>(i)];
      expected += value * value;
    }
    EXPECT_NEAR(sum_of_squares(data.data(), count), static_cast<double>(expected), 1e-14 * static_cast<double>(count));
  }
}

TEST(GlobalNorm, SumsAllParameters) {
  ParameterLayout layout;
  const ParameterId a = layout.matrix({Module::c_fc, 0}, 1, 3);
  const ParameterId b = layout.vector({Module::c_fc, 0, TensorKind::bias}, 1);
  const ParameterId c = layout.vector({Module::ln_f}, 2);
  ParameterBuffer<float> gradients(layout);
  gradients.vec(a) << 1, 2, 4;
  gradients.vec(b) << 10;
  gradients.vec(c) << -20, 0;
  EXPECT_DOUBLE_EQ(global_norm(gradients), std::sqrt(1 + 4 + 16 + 100 + 400));
}

TEST(GlobalNorm, NeitherOverflowsNorUnderflows) {
  ParameterLayout layout;
  const ParameterId id = layout.vector({Module::ln_f}, 100);
  ParameterBuffer<float> gradients(layout);
  for (const float size : {1e30f, 1e-30f}) {
    gradients.vec(id).setConstant(size);
    EXPECT_NEAR(global_norm(gradients) / (10 * static_cast<double>(size)), 1.0, 1e-12);
  }
}

TEST(GlobalNorm, ShowsWhatIsNotFinite) {
  ParameterLayout layout;
  const ParameterId id = layout.vector({Module::ln_f}, 100);
  ParameterBuffer<float> gradients(layout);
  gradients.vec(id)[99] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(global_norm(gradients)));
  gradients.vec(id)[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(global_norm(gradients)));
}

TEST(GlobalNorm, HasTheSameBitsForAnyThreadCount) {
  ParameterLayout layout;
  const ParameterId id = layout.matrix({Module::c_fc, 0}, 1237, 101);
  ParameterBuffer<float> gradients(layout);
  Rng rng(32, "test");
  for (float& value : gradients.vec(id)) value = static_cast<float>(rng.normal());
  std::vector<double> norms;
  for (const int count : {1, 2, 3, 5}) {
    set_threads(count);
    norms.push_back(global_norm(gradients));
  }
  set_threads(0);
  EXPECT_EQ(norms, std::vector<double>(norms.size(), norms[0]));
}

TEST(ClipScale, IsPyTorchs) {
  EXPECT_EQ(clip_scale(0.5, 1.0), 1.0);
  EXPECT_EQ(clip_scale(0.0, 1.0), 1.0);
  EXPECT_DOUBLE_EQ(clip_scale(4.0, 1.0), 1.0 / (4.0 + 1e-6));
  EXPECT_DOUBLE_EQ(clip_scale(1.0, 1.0), 1.0 / (1.0 + 1e-6));  // as in torch: a hair below 1
  EXPECT_EQ(clip_scale(1e9, 0.0), 1.0);                        // 0 never clips
}

}  // namespace
}  // namespace kiln
