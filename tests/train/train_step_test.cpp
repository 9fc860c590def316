// A step's arithmetic: what it learns, how it averages, what it refuses to apply.
#include "kiln/train/train_step.h"

#include "kiln/core/error.h"
#include "kiln/core/rng.h"
#include "kiln/core/threads.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"

#include <gtest/gtest.h>

#include "support/scratch.h"
#include <cmath>
#include <limits>

namespace kiln {
namespace {

TokenFile token_file(const std::vector<std::int32_t>& tokens, Index vocab_size) {
  TokenFileBuilder builder(vocab_size);
  builder.append(tokens);
  return TokenFile(builder.finish(), "test");
}

Config small_config() {
  Config config;
  config.model.n_layers = 2;
  config.model.d_model = 32;
  config.model.n_heads = 2;
  config.model.n_ctx = 16;
  config.model.activation = Activation::gelu;
  config.model.resolve();
  config.schedule.type = ScheduleKind::constant;
  config.schedule.warmup_steps = 0;
  config.optimizer.weight_decay = 0;
  config.optimizer.learning_rate = 3e-3;
  config.train.batch_size.count = 4;
  return config;
}

/// A model, its data and a TrainStep.
struct TrainStepRig {
  TrainStepRig(Config chosen, const std::vector<std::int32_t>& tokens, Index vocab_size, DataOrder order,
               std::optional<TokenId> border = {})
      : config(std::move(chosen)),
        model(config.model, vocab_size),
        weights(model.layout),
        rounded(model.layout),
        sizes(batch_sizes(config, (std::ssize(tokens) - 1) / config.model.n_ctx)),
        batches(Batcher(token_file(tokens, vocab_size), config.model.n_ctx, order, config.seed, border), sizes),
        train_step(config, model.layout, vocab_size, training_runner(config, sizes)) {
    set_threads(2);
    initialise(config.model, config.seed, weights);
    Weights(weights, rounded).round();
  }

  StepResult step() {
    const StepResult result = train_step.run(Weights(weights, rounded), batches, position);
    ++position.step;
    if (result.applied) ++position.updates;
    position.examples_drawn += result.examples;
    return result;
  }

  Config config;
  LanguageModel<float> model;
  ParameterBuffer<float> weights;
  ParameterBuffer<bfloat16> rounded;
  BatchSizes sizes;
  WindowBatches batches;
  TrainStep train_step;
  StepPosition position;
};

std::vector<std::int32_t> random_tokens(Index count, Index vocab_size) {
  Rng rng(5, "test");
  std::vector<std::int32_t> tokens;
  for (Index i = 0; i < count; ++i) {
    tokens.push_back(static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocab_size))));
  }
  return tokens;
}

TEST(TrainStep, OneBatchIsLearnedByHeart) {
  TrainStepRig rig(small_config(), random_tokens(4 * 16 + 1, 20), 20, DataOrder::sequential);  // one batch an epoch
  double loss = 0;
  for (int i = 0; i < 250; ++i) loss = rig.step().loss;
  EXPECT_LT(loss, 0.05);
}

TEST(TrainStep, ATinyTaskIsLearnedInEightySteps) {
  std::vector<std::int32_t>
      tokens;  // each token follows from the one before, on data that is drawn afresh for each step
  for (int i = 0, token = 1; i < 4000; ++i, token = (token * 3 + 1) % 17) tokens.push_back(token);
  TrainStepRig rig(small_config(), tokens, 17, DataOrder::random);
  EXPECT_NEAR(rig.step().loss, std::log(17.0), 0.3);
  double loss = 0;
  for (int i = 1; i < 80; ++i) loss = rig.step().loss;
  EXPECT_LT(loss, 0.1);
}

TEST(TrainStep, Bfloat16LearnsTheSameTaskAndKeepsItsCopyRounded) {
  std::vector<std::int32_t> tokens;
  for (int i = 0, token = 1; i < 4000; ++i, token = (token * 3 + 1) % 17) tokens.push_back(token);
  Config config = small_config();
  config.train.precision = Precision::bf16;
  TrainStepRig rig(config, tokens, 17, DataOrder::random);
  double loss = 0;
  for (int i = 0; i < 80; ++i) loss = rig.step().loss;
  EXPECT_LT(loss, 0.1);
  for (Index i = 0; i < rig.weights.all().size(); ++i) {
    ASSERT_EQ(rig.rounded.all()[i], static_cast<bfloat16>(rig.weights.all()[i])) << i;
  }
}

TEST(TrainStep, AFullBatchSgdStepLowersTheLoss) {
  Config config = small_config();
  config.optimizer.type = OptimizerKind::sgd;
  config.optimizer.learning_rate = 0.1;
  config.train.batch_size.all = true;
  TrainStepRig rig(config, random_tokens(40 * 16 + 1, 20), 20, DataOrder::shuffle);
  EXPECT_EQ(rig.sizes.windows_per_step, 40);
  double before = rig.step().loss;
  for (int i = 0; i < 5; ++i) {
    const double after = rig.step().loss;
    EXPECT_LT(after, before);
    before = after;
  }
}

/// Largest difference of two steps' gradients of the mean loss.
float gradient_distance(const TrainStep& a, const TrainStep& b) {
  const auto of_mean = [](const TrainStep& s) {
    return (static_cast<float>(s.gradient_scale()) * s.gradients().all()).eval();
  };
  return (of_mean(a) - of_mean(b)).cwiseAbs().maxCoeff();
}

TEST(TrainStep, AccumulationOverMicroBatchesIsOneLargeBatch) {
  Config together = small_config(), apart = small_config();
  together.model.dropout = apart.model.dropout = 0.2;  // masks follow the window, not the micro-batch
  together.train.batch_size.count = 6;
  apart.train.batch_size.count = 2;
  apart.train.gradient_accumulation = 3;
  const auto tokens = random_tokens(30 * 16 + 1, 20);
  TrainStepRig one(together, tokens, 20, DataOrder::shuffle), three(apart, tokens, 20, DataOrder::shuffle);
  const StepResult a = one.step(), b = three.step();
  EXPECT_NEAR(a.loss, b.loss, 1e-6);
  EXPECT_NEAR(a.gradient_norm, b.gradient_norm, 1e-5);
  EXPECT_LT(gradient_distance(one.train_step, three.train_step), 1e-6f);
}

TEST(TrainStep, FullBatchInSeveralMicroBatchesOfUnequalSizeAveragesOverEveryPosition) {
  Config all = small_config(), halves = small_config();
  all.train.batch_size.all = true;
  halves.train.batch_size.count = 515;
  halves.train.gradient_accumulation = 2;
  const auto tokens = random_tokens(1030 * 16 + 1, 20);  // micro-batches of 1024 windows: the second has 6
  TrainStepRig unequal(all, tokens, 20, DataOrder::sequential), equal(halves, tokens, 20, DataOrder::sequential);
  ASSERT_EQ(unequal.sizes.windows_per_micro_batch, 1024);
  const StepResult a = unequal.step(), b = equal.step();
  EXPECT_NEAR(a.loss, b.loss, 1e-6);
  EXPECT_NEAR(a.gradient_norm, b.gradient_norm, 1e-6);
  EXPECT_LT(gradient_distance(unequal.train_step, equal.train_step), 1e-6f);
}

TEST(TrainStep, TheStepDividesOnceByWhatIsScored) {  // micro-batches of which one has hardly a scored token
  std::vector<std::int32_t> tokens = random_tokens(4 * 16 + 1, 20);
  std::fill(tokens.begin(), tokens.begin() + 31, 19);
  Config together = small_config(), apart = small_config();
  apart.train.batch_size.count = 1;
  apart.train.gradient_accumulation = 4;
  TrainStepRig one(together, tokens, 20, DataOrder::sequential, 19), four(apart, tokens, 20, DataOrder::sequential, 19);
  EXPECT_NEAR(one.step().loss, four.step().loss, 1e-6);
  EXPECT_LT(gradient_distance(one.train_step, four.train_step), 1e-6f);
}

TEST(TrainStep, AStepThatScoresNothingMovesNothing) {
  TrainStepRig rig(small_config(), std::vector<std::int32_t>(4 * 16 + 1, 7), 20, DataOrder::sequential, 7);
  const Eigen::VectorXf before = rig.weights.all();
  const StepResult result = rig.step();
  EXPECT_FALSE(result.is_scored);
  EXPECT_FALSE(result.applied);
  EXPECT_EQ(rig.weights.all(), before);
}

TEST(TrainStep, FrozenTensorsKeepTheirWeightsAndTheOthersGetTheSameGradients) {
  const auto tokens = random_tokens(30 * 16 + 1, 20);
  Config partly = small_config();
  partly.train.freeze = {"wte.weight", "h.0.*"};
  TrainStepRig all(small_config(), tokens, 20, DataOrder::shuffle), frozen(partly, tokens, 20, DataOrder::shuffle);
  const Eigen::VectorXf before = frozen.weights.all();
  all.step();
  frozen.step();
  const ParameterBuffer<float>& gradients = frozen.train_step.gradients();
  for (const Parameter& p : frozen.model.layout.parameters()) {
    const bool is_frozen = p.name == "wte.weight" || p.name.starts_with("h.0.");
    EXPECT_EQ(gradients.has(p.id), !is_frozen) << p.name;
    const auto start = before.segment(p.offset, p.size());
    EXPECT_EQ((frozen.weights.vec(p.id) - start).isZero(0), is_frozen) << p.name;
    if (is_frozen) continue;
    EXPECT_EQ(gradients.vec(p.id), all.train_step.gradients().vec(p.id)) << p.name;
  }
  for (const OptimizerSlot& slot : frozen.train_step.optimizer().slots())
    EXPECT_EQ(slot.buffer->layout().count(), gradients.layout().count());
}

TEST(TrainableParameters, APatternThatNamesNothingOrEverythingIsRefused) {
  const LanguageModel<float> model(small_config().model, 20);
  TrainConfig config;
  config.freeze = {"h.0.*", "h.7.*"};
  testing::expect_error(
      ExitCode::usage,
      "train.freeze: no tensor is named \"h.7.*\"; kiln gradcheck lists the names, such as wte.weight "
      "and ln_f.bias",
      [&] { trainable_parameters(config, model.layout); });
  config.freeze = {"*"};
  testing::expect_error(ExitCode::usage, "train.freeze: names every tensor, so nothing is left to train",
                        [&] { trainable_parameters(config, model.layout); });
}

TEST(BatchSizes, WhereTheDataIsNotKnownAllIsTheLargestMicroBatch) {
  Config config = small_config();
  EXPECT_EQ(planned_batch_sizes(config).windows_per_step, 4);
  config.train.batch_size.all = true;
  const BatchSizes planned = planned_batch_sizes(config), real = batch_sizes(config, 1030);
  EXPECT_EQ(planned.windows_per_micro_batch, real.windows_per_micro_batch);
  EXPECT_EQ(planned.windows_per_step, 1024);
}

TEST(TrainStep, DropoutDiffersBetweenTheMicroBatchesOfAStepAndRepeatsItself) {
  Config config = small_config();
  config.model.dropout = 0.3;
  const auto tokens = random_tokens(30 * 16 + 1, 20);
  TrainStepRig first(config, tokens, 20, DataOrder::shuffle), again(config, tokens, 20, DataOrder::shuffle);
  const StepResult a = first.step(), b = again.step();
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_EQ(a.gradient_norm, b.gradient_norm);
  again.position.examples_drawn = first.position.examples_drawn + 30;  // the same windows an epoch on: other masks
  EXPECT_NE(first.step().loss, again.step().loss);
}

TEST(Faults, AGradientThatIsNotFiniteTouchesNothing) {
  TrainStepRig rig(small_config(), random_tokens(30 * 16 + 1, 20), 20, DataOrder::shuffle);
  rig.step();
  rig.weights.all()[3] = std::numeric_limits<float>::infinity();
  const Eigen::VectorXf weights = rig.weights.all();
  std::vector<Eigen::VectorXf> moments;
  for (const OptimizerSlot& slot : rig.train_step.optimizer().slots()) moments.emplace_back(slot.buffer->all());
  const StepResult result = rig.step();
  EXPECT_FALSE(result.applied);
  EXPECT_FALSE(std::isfinite(result.loss) && std::isfinite(result.gradient_norm));
  EXPECT_EQ(weights, Eigen::VectorXf(rig.weights.all()));
  const auto slots = rig.train_step.optimizer().slots();
  for (std::size_t i = 0; i < slots.size(); ++i) EXPECT_EQ(moments[i], Eigen::VectorXf(slots[i].buffer->all()));
}

TEST(Faults, AnInfiniteGradientOfAFiniteLossTouchesNothing) {
  Config config = small_config();
  config.model.tie_embeddings = false;
  TrainStepRig rig(config, random_tokens(30 * 16 + 1, 20), 20, DataOrder::shuffle);
  rig.step();
  const auto scale = [&](const char* name, float factor) { rig.weights.vec(rig.model.layout.find(name)) *= factor; };
  scale("lm_head.weight", 1e37f);  // logits that a float still holds; their gradient times the weights below does not
  scale("h.1.mlp.c_proj.weight", 1e8f);
  scale("h.1.mlp.c_fc.weight", 1e-3f);
  const Eigen::VectorXf weights = rig.weights.all();
  std::vector<Eigen::VectorXf> moments;
  for (const OptimizerSlot& slot : rig.train_step.optimizer().slots()) moments.emplace_back(slot.buffer->all());
  const StepResult result = rig.step();
  EXPECT_TRUE(std::isfinite(result.loss)) << result.loss;
  EXPECT_FALSE(std::isfinite(result.gradient_norm)) << result.gradient_norm;
  EXPECT_FALSE(result.applied);
  EXPECT_EQ(weights, Eigen::VectorXf(rig.weights.all()));
  const auto slots = rig.train_step.optimizer().slots();
  for (std::size_t i = 0; i < slots.size(); ++i) EXPECT_EQ(moments[i], Eigen::VectorXf(slots[i].buffer->all()));
}

}  // namespace
}  // namespace kiln
