// Gradient descent on one text against a model in double: the loss, the gradient of every tensor, steps and their
// undoing.
#include "kiln/train/descent.h"

#include "kiln/core/error.h"

#include <gmock/gmock.h>

#include "infer/models.h"
#include <cmath>
#include <cstring>
#include <vector>

namespace kiln {
namespace {

using testing::byte_tokens;
using ::testing::HasSubstr;
using testing::RandomModel;

const std::vector<TokenId> kDescentText = byte_tokens("Believe truth! Shun error");
constexpr std::size_t kPlenty = std::size_t{1} << 28;

ModelConfig descent_config() {
  ModelConfig config = testing::tiny_config(PositionKind::learned, 32);
  config.tie_embeddings = false;
  return config;
}

/// The same model in double.
struct DoubleModel {
  explicit DoubleModel(const RandomModel& of, const Batch& scored)
      : model(of.model.config(), of.model.vocab_size()),
        weights(model.layout),
        gradient(model.layout),
        batch(scored),
        runner(make_runner<double>(
            model.config(), model.vocab_size(),
            {.rows = batch.rows.size(), .scored = std::ssize(batch.scored), .backward = Recompute::none})),
        batch_runner(*runner, objective) {
    weights.all() = of.weights.all().cast<double>();
  }

  double loss() { return batch_runner.loss(weights, batch, {}) / objective.weight(batch); }

  LanguageModel<double> model;
  ParameterBuffer<double> weights;
  Gradients<double> gradient;
  Batch batch;
  NextToken objective;
  std::unique_ptr<Runner<double>> runner;
  BatchRunner<double> batch_runner;
};

bool same_bits(const ParameterBuffer<float>& a, const ParameterBuffer<float>& b) {
  return std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.layout().extent()) * sizeof(float)) == 0;
}

struct DescentTest : ::testing::Test {
  DescentTest() : text(batch_of_text(kDescentText, std::ssize(kDescentText) - 1)) {}

  RandomModel m{descent_config()};
  Batch text;  // whose last token alone is scored
};

TEST_F(DescentTest, ABatchOfATextScoresTheTokensFromTheFirstOn) {
  const Batch batch = batch_of_text(std::vector<TokenId>{5, 6, 7, 8}, 2);
  EXPECT_EQ(batch.rows.tokens, (std::vector<std::int32_t>{5, 6, 7}));
  EXPECT_EQ(batch.scored, (std::vector<Index>{1, 2}));
  EXPECT_EQ(batch.targets, (std::vector<std::int32_t>{7, 8}));
}

TEST_F(DescentTest, LossAndGradientAreThoseOfTheModelInDouble) {
  for (const Index first : {std::ssize(kDescentText) - 1, Index{1}}) {
    const Batch batch = batch_of_text(kDescentText, first);
    Descent descent(m.view(), batch, kPlenty);
    DoubleModel oracle(m, batch);
    EXPECT_NEAR(descent.loss(), oracle.loss(), 1e-5);
    oracle.batch_runner.backward(oracle.weights, batch, {}, oracle.gradient);
    oracle.gradient.all() /= oracle.objective.weight(batch);
    for (const TensorNorms& norms : descent.norms()) {
      const std::string& name = m.model.layout[norms.id].name;
      EXPECT_NEAR(norms.weights, oracle.weights.vec(norms.id).norm(), 1e-4 * (1 + norms.weights)) << name;
      const double wanted = oracle.gradient.vec(norms.id).norm();
      EXPECT_NEAR(norms.gradient, wanted, 1e-4 * wanted + 1e-6) << name;
      const double error = (descent.gradient().vec(norms.id).cast<double>() - oracle.gradient.vec(norms.id)).norm();
      EXPECT_LE(error, 1e-3 * wanted + 1e-6) << name;
    }
  }
}

TEST_F(DescentTest, TheGradientIsTheSlopeOfTheLoss) {
  const Batch all = batch_of_text(kDescentText, 1);
  Descent descent(m.view(), all, kPlenty);
  DoubleModel oracle(m, all);
  constexpr double kStep = 1e-5;
  for (const Parameter& p : m.model.layout.parameters()) {
    Index steepest = 0;  // the entry with the largest gradient
    descent.gradient().vec(p.id).cwiseAbs().maxCoeff(&steepest);
    double& weight = oracle.weights.vec(p.id)[steepest];
    const double original = weight;
    weight = original + kStep;
    const double above = oracle.loss();
    weight = original - kStep;
    const double slope = (above - oracle.loss()) / (2 * kStep);
    weight = original;
    EXPECT_NEAR(static_cast<double>(descent.gradient().vec(p.id)[steepest]), slope, 1e-3 * std::abs(slope) + 1e-6)
        << p.name;
  }
}

TEST_F(DescentTest, ASmallStepLowersTheLossByItsRateTimesTheGradientSquared) {
  Descent descent(m.view(), text, kPlenty);
  double squares = 0;
  for (const TensorNorms& norms : descent.norms()) squares += norms.gradient * norms.gradient;
  const double before = descent.loss(), rate = 2e-3 / squares;
  descent.step(rate);
  EXPECT_NEAR(before - descent.loss(), rate * squares, 0.05 * rate * squares);
  EXPECT_EQ(descent.steps(), 1);
}

TEST_F(DescentTest, EachStepGoesAgainstTheGradient) {
  Descent descent(m.view(), text, kPlenty);
  ParameterBuffer<float> wanted(m.model.layout);
  wanted.all() = descent.weights().all() - 0.5F * descent.gradient().all();
  descent.step(0.5);
  EXPECT_TRUE(same_bits(descent.weights(), wanted));
}

TEST_F(DescentTest, UndoAndResetAreExact) {
  Descent descent(m.view(), text, kPlenty);
  const double at_first = descent.loss();
  descent.step(0.01);
  ParameterBuffer<float> after_one(m.model.layout);
  after_one.all() = descent.weights().all();
  const double loss_after_one = descent.loss();
  descent.step(0.02);
  EXPECT_TRUE(descent.undo());
  EXPECT_TRUE(same_bits(descent.weights(), after_one));
  EXPECT_EQ(descent.loss(), loss_after_one);
  EXPECT_TRUE(descent.undo());
  EXPECT_TRUE(same_bits(descent.weights(), m.weights));
  EXPECT_EQ(descent.loss(), at_first);
  EXPECT_FALSE(descent.undo());
  for (int i = 0; i < 3; ++i) descent.step(0.1);
  descent.reset();
  EXPECT_TRUE(same_bits(descent.weights(), m.weights));
  EXPECT_EQ(descent.steps(), 0);
  EXPECT_EQ(descent.undoable(), 0);
}

TEST_F(DescentTest, KeepsAsManyEarlierWeightsAsItsMemoryAllows) {
  const std::size_t least = Descent::least_bytes(m.view(), text);
  const std::size_t weights = static_cast<std::size_t>(m.model.layout.extent()) * sizeof(float);
  Descent descent(m.view(), text, least + weights);
  for (int i = 0; i < 5; ++i) descent.step(0.001);
  EXPECT_EQ(descent.undoable(), 2);
  EXPECT_TRUE(descent.undo());
  EXPECT_TRUE(descent.undo());
  EXPECT_FALSE(descent.undo());
  EXPECT_EQ(descent.steps(), 3);
  try {
    const Descent refused(m.view(), text, least - 1);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), HasSubstr("are allowed; shorten the text, or take a smaller model"));
  }
}

TEST_F(DescentTest, AStepThatOverflowsIsNotTaken) {
  Descent descent(m.view(), text, kPlenty);
  const double before = descent.loss();
  try {
    descent.step(1e38);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::diverged);
    EXPECT_THAT(error.what(), HasSubstr("take a smaller rate"));
  }
  EXPECT_TRUE(same_bits(descent.weights(), m.weights));
  EXPECT_EQ(descent.loss(), before);
  EXPECT_EQ(descent.steps(), 0);
}

TEST_F(DescentTest, AModelInBfloat16IsSteppedInFloat) {
  auto masters = std::make_unique<ParameterBuffer<float>>(m.model.layout);
  masters->all() = m.weights.all();
  ModelWeights rounded(std::move(masters), Precision::bf16);
  rounded.keep_only_what_is_read();
  Descent descent({m.model, rounded}, text, kPlenty);
  for (const Parameter& p : m.model.layout.parameters()) {
    EXPECT_EQ(descent.weights().vec(p.id)[0], static_cast<float>(rounded.rounded().vec(p.id)[0])) << p.name;
  }
}

}  // namespace
}  // namespace kiln
