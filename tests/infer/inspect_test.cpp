// Forecasts against softmaxes taken the long way round.
#include "kiln/infer/inspect.h"

#include <gmock/gmock.h>

#include "infer/models.h"
#include "support/scratch.h"
#include <cmath>
#include <limits>

namespace kiln {
namespace {

using testing::expect_error;
using testing::full_logits;
using testing::RandomModel;
using testing::tiny_config;

constexpr Index kVocabulary = 50;
const std::vector<TokenId> kTokens{3, 14, 15, 9, 26, 5, 35, 8};

std::vector<double> softmax(const RowMajor<float>& logits, Index row) {
  std::vector<double> p;
  double sum = 0;
  for (Index v = 0; v < logits.cols(); ++v) sum += std::exp(static_cast<double>(logits(row, v)));
  for (Index v = 0; v < logits.cols(); ++v) p.push_back(std::exp(static_cast<double>(logits(row, v))) / sum);
  return p;
}

TEST(Inspect, EveryPredictionIsThatOfTheSoftmax) {
  RandomModel m(tiny_config(), kVocabulary);
  const RowMajor<float> logits = full_logits(m, kTokens);
  const Inspection inspection = inspect(m.view(), kTokens, 5);
  ASSERT_EQ(inspection.predictions.size(), kTokens.size() - 1);
  for (std::size_t i = 0; i + 1 < kTokens.size(); ++i) {
    const Prediction& prediction = inspection.predictions[i];
    const std::vector<double> p = softmax(logits, static_cast<Index>(i));
    const double truth = p[static_cast<std::size_t>(kTokens[i + 1])];
    EXPECT_EQ(prediction.token, kTokens[i + 1]);
    EXPECT_NEAR(prediction.probability, truth, 1e-6);
    EXPECT_NEAR(prediction.loss, -std::log(truth), 1e-5);
    EXPECT_EQ(prediction.rank, 1 + std::ranges::count_if(p, [&](double other) { return other > truth; }));
    ASSERT_EQ(prediction.top.size(), 5u);
    EXPECT_NEAR(prediction.top[0].probability, std::ranges::max(p), 1e-6);
  }
}

TEST(Inspect, AllProbabilitiesSumToOneInFallingOrderAndHoldTheTruthAtItsRank) {
  RandomModel m(tiny_config(), kVocabulary);
  const Inspection inspection = inspect(m.view(), kTokens, 1000);
  for (const Prediction& prediction : inspection.predictions) {
    ASSERT_EQ(std::ssize(prediction.top), kVocabulary);
    double sum = 0;
    for (const TokenProbability& entry : prediction.top) sum += entry.probability;
    EXPECT_NEAR(sum, 1, 1e-9);
    EXPECT_TRUE(std::ranges::is_sorted(prediction.top, std::ranges::greater{}, &TokenProbability::probability));
    const TokenProbability& found = prediction.top[static_cast<std::size_t>(prediction.rank - 1)];
    EXPECT_EQ(found.token, prediction.token);
    EXPECT_DOUBLE_EQ(found.probability, prediction.probability);
  }
}

TEST(Inspect, WhatMayFollowIsTheLastPositionsForecast) {
  RandomModel m(tiny_config(), kVocabulary);
  const std::vector<double> p = softmax(full_logits(m, kTokens), std::ssize(kTokens) - 1);
  const Inspection inspection = inspect(m.view(), kTokens, 3);
  ASSERT_EQ(inspection.next.size(), 3u);
  EXPECT_EQ(inspection.next[0].token, std::ranges::max_element(p) - p.begin());
  EXPECT_NEAR(inspection.next[0].probability, std::ranges::max(p), 1e-6);
}

TEST(Inspect, OneTokenPredictsNothingButWhatMayFollow) {
  RandomModel m(tiny_config(), kVocabulary);
  const Inspection inspection = inspect(m.view(), std::vector<TokenId>{7}, 4);
  EXPECT_TRUE(inspection.predictions.empty());
  EXPECT_EQ(inspection.next.size(), 4u);
}

TEST(Inspect, FirstGuessesAreNearUniform) {
  ModelConfig config = tiny_config();
  config.init = {};  // gpt2, 0.02
  RandomModel m(config, kVocabulary);
  for (const Prediction& prediction : inspect(m.view(), kTokens, 50).predictions) {
    EXPECT_NEAR(prediction.loss, std::log(50.0), 0.7);
    for (const TokenProbability& entry : prediction.top) EXPECT_NEAR(entry.probability, 0.02, 0.02);
  }
}

TEST(Inspect, ZeroWeightsAreExactlyUniformAndRankById) {
  ModelConfig config = tiny_config();
  config.init.scheme = InitScheme::zero;
  RandomModel m(config, kVocabulary);
  const Inspection inspection = inspect(m.view(), kTokens, 2);
  EXPECT_NEAR(inspection.predictions[0].loss, std::log(50.0), 1e-9);
  EXPECT_EQ(inspection.predictions[0].rank, kTokens[1] + 1);
  EXPECT_EQ(inspection.next[0].token, 0);
  EXPECT_EQ(inspection.next[1].token, 1);
}

TEST(Inspect, LogitsAreMadeInChunks) {
  constexpr Index kLarge = 200000;  // so that a chunk holds fewer rows than the text
  ModelConfig config = tiny_config(PositionKind::rope, 100);
  config.d_model = 4;
  config.n_heads = 1;
  config.n_kv_heads = 1;
  config.d_head = 4;
  RandomModel m(config, kLarge);
  Arena counting = Arena::counting();
  ASSERT_LT(m.model.next_token_head()->lay_out(counting, 100).logits.rows(), 100);
  std::vector<TokenId> tokens;
  for (TokenId i = 0; i < 100; ++i) tokens.push_back(i * 999);
  const Inspection whole = inspect(m.view(), tokens, 1);
  const Inspection part = inspect(m.view(), std::span(tokens).first(90), 1);
  EXPECT_NEAR(whole.predictions[88].loss, part.predictions[88].loss, 1e-3);
  EXPECT_NEAR(whole.predictions[89].top[0].probability, part.next[0].probability, 1e-6);
}

TEST(Inspect, OfALongerTextTheEndIsTaken) {
  RandomModel m(tiny_config(PositionKind::learned, 4), kVocabulary);
  const Inspection inspection = inspect(m.view(), kTokens, 1);
  ASSERT_EQ(inspection.predictions.size(), 3u);
  EXPECT_EQ(inspection.predictions[0].token, 5);
  EXPECT_EQ(inspection.predictions[2].token, 8);
}

TEST(Inspect, RefusesWhatItCannotInspect) {
  RandomModel m(tiny_config(), kVocabulary);
  expect_error(ExitCode::usage, "top is 0; it must be 1 or more", [&] { inspect(m.view(), kTokens, 0); });
  expect_error(ExitCode::usage, "the prompt has no tokens; at least one is needed", [&] { inspect(m.view(), {}, 1); });
  m.weights.all().setConstant(std::numeric_limits<float>::infinity());
  expect_error(ExitCode::diverged,
               "the model's scores for the next token are not finite: its weights hold NaN or are far too large; take "
               "an earlier checkpoint (--checkpoint STEP), or copy or download the model again",
               [&] { inspect(m.view(), kTokens, 1); });
}

}  // namespace
}  // namespace kiln
