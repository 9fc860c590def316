// Every optimizer against its formula in double, and the promises of the interface.
#include "kiln/optim/optimizer.h"

#include "kiln/core/rng.h"
#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include <gtest/gtest.h>

#include "optim/oracle.h"
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace kiln {
namespace {

constexpr ParameterKey kFrozen{Module::c_fc, 1};

/// Every role; matrices that lie side by side, wide, tall and square; sizes that leave padding; one of several chunks.
ParameterLayout mixed_layout() {
  ParameterLayout layout;
  layout.matrix({Module::wte}, 1501, 6);
  layout.matrix({Module::wpe}, 5, 6);
  layout.vector({Module::ln_1, 0}, 6);
  layout.matrix({Module::c_attn, 0}, 6, 16, {8, 4, 4});
  layout.vector({Module::c_attn, 0, TensorKind::bias}, 16);
  layout.matrix({Module::attention_c_proj, 0}, 8, 6);
  layout.matrix(kFrozen, 5, 3);
  layout.matrix({Module::c_fc, 0}, 6, 18, {9, 9});
  layout.matrix({Module::mlp_c_proj, 0}, 9, 6);
  layout.matrix({Module::lm_head}, 7, 6);
  layout.matrix({Module::score}, 1, 6);
  return layout;
}

/// All but the one that does not train.
ParameterLayout trained_part(const ParameterLayout& layout) {
  return layout.subset([](const Parameter& p) { return p.key != kFrozen; });
}

/// Fills parameters, and leaves the padding alone.
void randomize(ParameterBuffer<float>& buffer, Rng& rng, double scale) {
  for (const Parameter& p : buffer.layout().parameters()) {
    for (Index i = 0; i < p.size(); ++i) buffer.data()[p.offset + i] = static_cast<float>(scale * rng.normal());
  }
}

/// Rising and falling rates and clipping, so that none of the three is taken for a constant.
OptimizerStep varied_step(Index step) {
  return {0.2 + 0.1 * static_cast<double>(step % 7), step % 3 == 0 ? 0.5 : 1.0, step};
}

bool same_bits(const ParameterBuffer<float>& a, const ParameterBuffer<float>& b) {
  for (Index i = 0; i < a.layout().extent(); ++i) {
    if (std::bit_cast<std::uint32_t>(a.data()[i]) != std::bit_cast<std::uint32_t>(b.data()[i])) return false;
  }
  return true;
}

void copy(const ParameterBuffer<float>& from, ParameterBuffer<float>& to) { to.all() = from.all(); }

struct Case {
  std::string name;
  OptimizerConfig config;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

std::vector<Case> cases() {
  OptimizerConfig base;
  base.learning_rate = 0.01;
  base.beta2 = 0.95;
  auto with = [&base](OptimizerKind type) {
    OptimizerConfig config = base;
    config.type = type;
    return config;
  };
  std::vector<Case> cases{{"sgd", with(OptimizerKind::sgd)},
                          {"sgd_momentum", with(OptimizerKind::sgd)},
                          {"sgd_nesterov", with(OptimizerKind::sgd)},
                          {"adam", with(OptimizerKind::adam)},
                          {"adamw", with(OptimizerKind::adamw)},
                          {"adamw_spare", with(OptimizerKind::adamw)},
                          {"lion", with(OptimizerKind::lion)},
                          {"muon", with(OptimizerKind::muon)},
                          {"muon_undecayed", with(OptimizerKind::muon)}};
  cases[1].config.momentum = cases[2].config.momentum = 0.9;
  cases[2].config.nesterov = true;
  cases[5].config.decay_embeddings = false;
  cases[8].config.weight_decay = 0;
  return cases;
}

class EveryOptimizer : public ::testing::TestWithParam<Case> {
 protected:
  void TearDown() override { set_threads(0); }

  const OptimizerConfig config_ = GetParam().config;
  const ParameterLayout layout_ = mixed_layout();
  const ParameterLayout trained_ = trained_part(layout_);
};

INSTANTIATE_TEST_SUITE_P(Optimizer, EveryOptimizer, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

TEST_P(EveryOptimizer, FollowsItsFormulaForTwentySteps) {
  Rng rng(11, "test");
  ParameterBuffer<float> weights(layout_), gradients(layout_);
  randomize(weights, rng, 0.1);
  testing::OptimizerOracle oracle(config_, weights, trained_);
  const auto optimizer = make_optimizer(config_, trained_);
  for (Index step = 0; step < 20; ++step) {
    randomize(gradients, rng, 0.3);
    optimizer->step(weights, gradients, varied_step(step));
    oracle.step(gradients, varied_step(step));
  }
  const double tolerance = config_.type == OptimizerKind::muon ? 3e-6 : 3e-7;
  for (const Parameter& p : layout_.parameters()) {
    double worst = 0;
    for (Index at = p.offset; at < p.offset + p.size(); ++at) {
      worst = std::max(worst, std::abs(static_cast<double>(weights.data()[at]) - oracle.weight(at)));
    }
    EXPECT_LT(worst, tolerance) << p.name;
  }
}

TEST_P(EveryOptimizer, LeavesFrozenParametersPaddingAndGradientsAlone) {
  Rng rng(12, "test");
  ParameterBuffer<float> weights(layout_), gradients(layout_);
  weights.all().setConstant(3.0f);  // the padding too
  gradients.all().setConstant(std::numeric_limits<float>::quiet_NaN());
  for (const Parameter& p : layout_.parameters()) {
    for (Index i = 0; trained_.has(p.id) && i < p.size(); ++i) {
      gradients.data()[p.offset + i] = static_cast<float>(1.0 + rng.uniform());
    }
  }
  ParameterBuffer<float> before(layout_);
  copy(gradients, before);
  const auto optimizer = make_optimizer(config_, trained_);
  for (Index step = 0; step < 3; ++step) optimizer->step(weights, gradients, varied_step(step));

  EXPECT_TRUE(same_bits(gradients, before));
  std::vector<bool> moves(static_cast<std::size_t>(layout_.extent()), false);
  for (const Parameter& p : layout_.parameters()) {
    for (Index i = 0; trained_.has(p.id) && i < p.size(); ++i) moves[static_cast<std::size_t>(p.offset + i)] = true;
  }
  for (Index i = 0; i < layout_.extent(); ++i) {
    if (moves[static_cast<std::size_t>(i)]) {
      EXPECT_NE(weights.data()[i], 3.0f) << i;
    } else {
      EXPECT_EQ(weights.data()[i], 3.0f) << i;
    }
  }
  for (const OptimizerSlot& slot : optimizer->slots()) {
    EXPECT_FALSE(slot.buffer->has(layout_.find(kFrozen))) << slot.name;
  }
}

TEST_P(EveryOptimizer, ContinuesFromItsSlotsToTheBit) {
  Rng rng(13, "test");
  ParameterBuffer<float> weights(layout_), gradients(layout_), resumed(layout_);
  randomize(weights, rng, 0.1);
  const auto straight = make_optimizer(config_, trained_);
  for (Index step = 0; step < 5; ++step) {
    randomize(gradients, rng, 1.0);
    straight->step(weights, gradients, varied_step(step));
  }
  const auto fresh = make_optimizer(config_, trained_);
  for (std::size_t i = 0; i < straight->slots().size(); ++i) {
    EXPECT_EQ(straight->slots()[i].name, fresh->slots()[i].name);
    copy(*straight->slots()[i].buffer, *fresh->slots()[i].buffer);
  }
  copy(weights, resumed);
  for (Index step = 5; step < 10; ++step) {
    randomize(gradients, rng, 1.0);
    straight->step(weights, gradients, varied_step(step));
    fresh->step(resumed, gradients, varied_step(step));
  }
  EXPECT_TRUE(same_bits(weights, resumed));
}

TEST_P(EveryOptimizer, GivesTheSameBitsForAnyThreadCount) {
  ParameterBuffer<float> one(layout_), other(layout_), gradients(layout_);
  for (const int count : {1, 2, 3}) {
    set_threads(count);
    Rng rng(14, "test");
    ParameterBuffer<float>& weights = count == 1 ? one : other;
    randomize(weights, rng, 0.1);
    const auto optimizer = make_optimizer(config_, trained_);
    for (Index step = 0; step < 4; ++step) {
      randomize(gradients, rng, 1.0);
      optimizer->step(weights, gradients, varied_step(step));
    }
    if (count == 1) continue;
    EXPECT_TRUE(same_bits(one, other)) << count << " threads";
  }
}

TEST_P(EveryOptimizer, AnnouncesItsMemory) {
  const auto optimizer = make_optimizer(config_, trained_);
  const std::vector<OptimizerSlot> slots = optimizer->slots();
  const std::vector<StateLayout> state = state_layouts(config_, trained_);
  ASSERT_EQ(state.size(), slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    EXPECT_EQ(state[i].name, slots[i].name);
    EXPECT_EQ(state[i].layout.extent(), slots[i].buffer->layout().extent());
    EXPECT_EQ(state[i].layout.parameters().size(), slots[i].buffer->layout().parameters().size());
  }
  // Muon's widest and tallest parts: two copies of (8, 6) or (6, 9) and two of (6, 6), in cache lines, for each thread.
  const std::size_t expected =
      config_.type == OptimizerKind::muon ? static_cast<std::size_t>(threads()) * (2 * 256 + 2 * 192) : 0;
  EXPECT_EQ(scratch_bytes(config_, trained_), expected);
}

// ---- single steps that can be done by hand ----

/// One matrix (an unembedding, which no optimizer treats apart) of one element.
class OneWeight {
 public:
  OneWeight(const OptimizerConfig& config, float weight)
      : layout_(one_element()), weights_(layout_), gradients_(layout_) {
    weights_.data()[0] = weight;
    optimizer_ = make_optimizer(config, layout_);
  }
  float step(float gradient, OptimizerStep step) {
    gradients_.data()[0] = gradient;
    optimizer_->step(weights_, gradients_, step);
    return weights_.data()[0];
  }

 private:
  static ParameterLayout one_element() {
    ParameterLayout layout;
    layout.matrix({Module::lm_head}, 1, 1);
    return layout;
  }
  ParameterLayout layout_;
  ParameterBuffer<float> weights_, gradients_;
  std::unique_ptr<Optimizer> optimizer_;
};

OptimizerConfig config_of(OptimizerKind type, double learning_rate, double weight_decay) {
  OptimizerConfig config;
  config.type = type;
  config.learning_rate = learning_rate;
  config.weight_decay = weight_decay;
  return config;
}

TEST(Sgd, StepsDownTheClippedGradientAndTheDecay) {
  OneWeight plain(config_of(OptimizerKind::sgd, 0.5, 0.25), 2.0f);
  EXPECT_EQ(plain.step(3.0f, {1.0, 0.5, 0}), 2.0f - 0.5f * (0.5f * 3.0f + 0.25f * 2.0f));
}

TEST(Sgd, MomentumGathersAndNesterovLooksAhead) {
  OptimizerConfig config = config_of(OptimizerKind::sgd, 1.0, 0.0);
  config.momentum = 0.5;
  OneWeight heavy(config, 0.0f);
  EXPECT_EQ(heavy.step(1.0f, {}), -1.0f);
  EXPECT_EQ(heavy.step(1.0f, {1.0, 1.0, 1}), -1.0f - 1.5f);
  config.nesterov = true;
  OneWeight nesterov(config, 0.0f);
  EXPECT_EQ(nesterov.step(1.0f, {}), -1.5f);
  EXPECT_EQ(nesterov.step(1.0f, {1.0, 1.0, 1}), -1.5f - 1.75f);
}

TEST(AdamW, FirstStepIsOneLearningRateWhateverTheGradientsSize) {
  for (const float gradient : {1e-3f, 1.0f, -1e3f}) {
    OneWeight adamw(config_of(OptimizerKind::adamw, 0.125, 0.5), 4.0f);
    const float expected = 4.0f * (1.0f - 0.125f * 0.5f) - std::copysign(0.125f, gradient);
    EXPECT_NEAR(adamw.step(gradient, {}), expected, 2e-6);
  }
}

TEST(Adam, DecayGoesThroughTheMoments) {
  OneWeight adam(config_of(OptimizerKind::adam, 0.125, 0.5), 4.0f);
  EXPECT_NEAR(adam.step(-1.0f, {}), 4.0f - 0.125f, 1e-6);  // the gradient -1 + 0.5 * 4 is positive
}

/// Added to the root of the unbiased second moment, as in the paper (arXiv:1412.6980), not to that of the biased one.
TEST(Adam, EpsilonStandsBesideTheUnbiasedRoot) {
  OptimizerConfig config = config_of(OptimizerKind::adam, 0.125, 0.0);
  config.epsilon = 0.5;
  EXPECT_NEAR(OneWeight(config, 4.0f).step(0.25f, {}), 4.0f - 0.125f * 0.25f / (0.25f + 0.5f), 1e-6);
}

TEST(Adam, WithoutAGradientNothingMoves) {
  OneWeight adam(config_of(OptimizerKind::adam, 0.125, 0.0), 4.0f);
  EXPECT_EQ(adam.step(0.0f, {}), 4.0f);
}

TEST(Lion, TakesTheSignAndZeroHasNone) {
  OptimizerConfig config = config_of(OptimizerKind::lion, 0.125, 0.0);
  EXPECT_EQ(OneWeight(config, 1.0f).step(1e-20f, {}), 1.0f - 0.125f);
  EXPECT_EQ(OneWeight(config, 1.0f).step(-1e20f, {}), 1.0f + 0.125f);
  EXPECT_EQ(OneWeight(config, 1.0f).step(0.0f, {}), 1.0f);
  config.weight_decay = 0.5;
  EXPECT_EQ(OneWeight(config, 1.0f).step(0.0f, {}), 1.0f - 0.125f * 0.5f);
}

TEST(Muon, DoesNotCareForTheLengthOfAHiddenMatrixGradient) {
  ParameterLayout layout;
  const ParameterId id = layout.matrix({Module::c_fc, 0}, 4, 8);
  OptimizerConfig config = config_of(OptimizerKind::muon, 0.1, 0.0);
  Rng rng(15, "test");
  ParameterBuffer<float> gradients(layout), one(layout), other(layout);
  randomize(gradients, rng, 1.0);
  make_optimizer(config, layout)->step(one, gradients, {1.0, 1.0, 0});
  make_optimizer(config, layout)->step(other, gradients, {1.0, 0.1, 0});
  EXPECT_LT((one.mat(id) - other.mat(id)).cwiseAbs().maxCoeff(), 1e-5f);
  EXPECT_GT(one.mat(id).norm(), 0.5f * 0.02f * std::sqrt(2.0f * 4.0f));  // four singular values of about sqrt(8/4) lr
}

TEST(Muon, InABfloat16RunMovesTheMastersAlmostAlikeAndRoundsThem) {
  ParameterLayout layout;
  const ParameterId id = layout.matrix({Module::c_fc, 0}, 24, 64, {32, 32});
  const OptimizerConfig config = config_of(OptimizerKind::muon, 0.1, 0.0);
  Rng rng(16, "test");
  ParameterBuffer<float> gradients(layout), one(layout), other(layout);
  ParameterBuffer<bfloat16> rounded(layout);
  randomize(gradients, rng, 1.0);
  make_optimizer(config, layout)->step(one, gradients, {});
  make_optimizer(config, layout)->step({other, rounded}, gradients, {});
  EXPECT_LT((one.mat(id) - other.mat(id)).norm() / one.mat(id).norm(), 0.05f);  // newton_schulz_test argues the bound
  for (Index i = 0; i < layout.extent(); ++i) EXPECT_EQ(rounded.data()[i], narrow<bfloat16>(other.data()[i]));
}

TEST(Muon, OneLearningRateIsForHiddenMatricesTheOtherForTheRest) {
  ParameterLayout layout;
  const ParameterId hidden = layout.matrix({Module::attention_c_proj, 0}, 1, 1);
  const ParameterId rest = layout.matrix({Module::lm_head}, 1, 1);
  OptimizerConfig config = config_of(OptimizerKind::muon, 0.5, 0.0);
  config.muon_learning_rate = 0.25;
  ParameterBuffer<float> gradients(layout), weights(layout);
  gradients.all().setConstant(1.0f);
  make_optimizer(config, layout)->step(weights, gradients, {0.5, 1.0, 0});
  EXPECT_NEAR(weights.mat(rest)(0, 0), -0.25f, 1e-6);
  EXPECT_NEAR(weights.mat(hidden)(0, 0), -0.125 * testing::newton_schulz_oracle({{1.0}})[0][0], 1e-5);
}

}  // namespace
}  // namespace kiln
