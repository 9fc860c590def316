// The outer step by its formula, for ranks whose weights have moved apart.
#include "kiln/train/outer_step.h"

#include <gtest/gtest.h>

#include "support/thread_world.h"
#include <array>
#include <vector>

namespace kiln {
namespace {

/// Takes two outer steps as three ranks, which add 1, 2 and 6 to each weight before the first, and 0 before the second;
/// returns a weight after each.
std::vector<float> weights_after_steps(const DistributedConfig& config) {
  std::vector<float> weights(2);
  testing::as_ranks(3, [&](World& world) {
    ParameterLayout layout;
    const ParameterId id = layout.matrix({Module::c_fc, 0}, 5001, 1000);  // more than are exchanged at a time
    ParameterBuffer<float> masters(layout);
    masters.vec(id).setConstant(10);
    OuterStep outer(config, world, layout);
    outer.begin(masters);
    for (std::size_t step = 0; step < 2; ++step) {
      if (step == 0) masters.vec(id).array() += std::array{1.0f, 2.0f, 6.0f}[static_cast<std::size_t>(world.rank())];
      outer.step(masters);
      const float first = masters.vec(id)[0];
      EXPECT_TRUE((masters.vec(id).array() == first).all());
      if (world.is_root()) weights[step] = first;
    }
  });
  return weights;
}

TEST(OuterStep, AveragesWeights) {
  DistributedConfig config;
  config.outer = OuterKind::average;
  const std::vector<float> weights = weights_after_steps(config);
  EXPECT_FLOAT_EQ(weights[0], 13);
  EXPECT_FLOAT_EQ(weights[1], 13);
}

TEST(OuterStep, MovesByNesterovsMomentum) {
  DistributedConfig config;
  config.outer_learning_rate = 0.5;
  config.outer_momentum = 0.9;
  const std::vector<float> weights = weights_after_steps(config);
  EXPECT_FLOAT_EQ(weights[0], 10 + 0.5f * (3 + 0.9f * 3));           // m = 3, d = 3
  EXPECT_FLOAT_EQ(weights[1], weights[0] + 0.5f * 0.9f * 0.9f * 3);  // d = 0, m = 0.9 * 3
}

}  // namespace
}  // namespace kiln
