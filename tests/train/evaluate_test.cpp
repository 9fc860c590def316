// Evaluation against one forward a window, and its statistics.
#include "kiln/train/evaluate.h"

#include "kiln/core/error.h"
#include "kiln/core/rng.h"
#include "kiln/core/threads.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"
#include "kiln/nn/runner.h"

#include <gtest/gtest.h>

#include "support/sequences.h"
#include <cmath>
#include <span>
#include <vector>

namespace kiln {
namespace {

constexpr Index kVocabSize = 13;

ModelConfig small_model() {
  ModelConfig config;
  config.n_layers = 1;
  config.d_model = 8;
  config.n_heads = 2;
  config.n_ctx = 5;
  config.init.std = 0.5;
  config.resolve();
  return config;
}

/// Bytes of text that each id stands for; the others, as special tokens do, for none.
const std::vector<std::uint32_t> kTextBytes{0, 1, 2, 3, 5, 8, 0, 4};

double text_bytes_of(std::span<const std::int32_t> ids) {
  std::uint32_t bytes = 0;
  for (const std::int32_t id : ids)
    bytes += static_cast<std::size_t>(id) < kTextBytes.size() ? kTextBytes[static_cast<std::size_t>(id)] : 0;
  return bytes;
}

TokenFile tokens(Index count) {
  Rng rng(3, "test");
  std::vector<std::int32_t> ids;
  for (Index i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>(rng.below(kVocabSize)));
  TokenFileBuilder builder(kVocabSize);
  builder.append(ids);
  return TokenFile(builder.finish(), "test");
}

struct EvaluatorRig {
  EvaluatorRig() : model(small_model(), kVocabSize), weights(model.layout) {
    set_threads(2);
    initialise(model.config(), 1, weights);
  }
  LanguageModel<float> model;
  ParameterBuffer<float> weights;
};

TEST(Evaluator, OfAPartScoresItsWindowsAlone) {
  EvaluatorRig rig;
  const TokenFile text = tokens(43);
  const auto evaluate = [&](Index most, const TokenFile& file) {
    return make_evaluator(small_model(), kVocabSize, Precision::fp32, kTextBytes)
        ->evaluate(rig.weights, *make_text_evaluation(small_model(), file, most));
  };
  const Evaluation part = evaluate(9, text);  // windows 0 and 4 of 8
  EXPECT_EQ(part.tokens, 10);
  double total = 0, bytes = 0;
  for (const Index first : {0, 20}) {
    std::vector<std::int32_t> ids(6);
    text.read(first, 6, ids.data());
    TokenFileBuilder builder(kVocabSize);
    builder.append(ids);
    bytes += text_bytes_of(std::span(ids).subspan(1));
    total += 5 * evaluate(100, TokenFile(builder.finish(), "window")).loss;
  }
  EXPECT_NEAR(part.loss, total / 10, 1e-6);
  EXPECT_NEAR(*part.bits_per_byte, total / std::log(2.0) / bytes, 1e-6);
  EXPECT_EQ(evaluate(42, text).loss, evaluate(1000, text).loss);
}

// 20,000 entries take 1,020 rows in two chunks of 510, and 640 rows would fit into one.
TEST(Evaluator, AShortTextFitsIntoTheMemoryForLongerOnes) {
  constexpr Index kManyEntries = 20000;
  set_threads(2);
  const LanguageModel<float> model(small_model(), kManyEntries);
  ParameterBuffer<float> weights(model.layout);
  initialise(model.config(), 1, weights);
  const Evaluation evaluation =
      make_evaluator(small_model(), kManyEntries, Precision::fp32)->evaluate(weights, tokens(641));
  EXPECT_EQ(evaluation.tokens, 640);
}

TEST(Evaluator, ScoresEveryTargetOnceInWindowsOfItsOwn) {
  EvaluatorRig rig;
  const TokenFile text = tokens(43);  // 42 targets: 8 windows of 5 and one of 2
  const Evaluation evaluation =
      make_evaluator(small_model(), kVocabSize, Precision::fp32, kTextBytes)->evaluate(rig.weights, text);
  EXPECT_EQ(evaluation.tokens, 42);

  double total = 0, bytes = 0;
  Index correct = 0;
  std::vector<Index> asked(kVocabSize), right(kVocabSize);  // by target
  for (Index first = 0; first < 42; first += 5) {
    const Index T = std::min<Index>(5, 42 - first);
    std::vector<std::int32_t> ids(static_cast<std::size_t>(T) + 1);
    text.read(first, T + 1, ids.data());
    const auto runner = make_runner<float>(small_model(), kVocabSize, {.rows = T});
    RowMajor<float> logits(T, kVocabSize);
    const TokenRows rows = testing::equal_rows(std::span(ids).first(static_cast<std::size_t>(T)));
    runner->forward(rig.weights, rows);
    runner->logits(testing::all_rows(T), mat(logits.data(), T, kVocabSize));
    bytes += text_bytes_of(std::span(ids).subspan(1));  // the first token of all is never a target
    for (Index t = 0; t < T; ++t) {
      const Eigen::RowVectorXd z = logits.row(t).cast<double>();
      Index best = 0;
      z.maxCoeff(&best);
      const Index target = ids[static_cast<std::size_t>(t) + 1];
      total += std::log(z.array().exp().sum()) - z[target];
      correct += best == target ? 1 : 0;
      ++asked[static_cast<std::size_t>(target)];
      right[static_cast<std::size_t>(target)] += best == target ? 1 : 0;
    }
  }
  for (std::size_t end = 0; end < asked.size(); ++end) {
    const auto ends = make_evaluator(small_model(), kVocabSize, Precision::fp32, {}, static_cast<TokenId>(end))
                          ->evaluate(rig.weights, text)
                          .end_accuracy;
    if (asked[end] == 0) continue;
    EXPECT_DOUBLE_EQ(ends.value(), static_cast<double>(right[end]) / static_cast<double>(asked[end]));
  }
  EXPECT_NEAR(evaluation.loss, total / 42, 1e-6);
  EXPECT_DOUBLE_EQ(evaluation.accuracy, static_cast<double>(correct) / 42);
  EXPECT_NEAR(evaluation.perplexity(), std::exp(total / 42), 1e-4);
  EXPECT_NEAR(*evaluation.bits_per_byte, total / std::log(2.0) / bytes, 1e-6);
  EXPECT_GT(evaluation.margin.value(), 0);
}

TEST(Evaluator, BehindABorderADocumentIsScoredAsIfItWereAlone) {
  EvaluatorRig rig;
  constexpr std::int32_t kEnd = 12;
  // Of the windows of 5, the second holds two documents.
  const std::vector<std::vector<std::int32_t>> documents{
      {1, 2, 3, 4, kEnd}, {5, kEnd}, {6, 7, kEnd}, {8, 9, 10, 11, kEnd}};
  TokenFileBuilder all(kVocabSize);
  double total = 0;
  Index scored = 0;
  for (const auto& document : documents) {
    all.append(document);
    TokenFileBuilder one(kVocabSize);
    one.append(document);
    const Evaluation alone = make_evaluator(small_model(), kVocabSize, Precision::fp32)
                                 ->evaluate(rig.weights, TokenFile(one.finish(), "one"));
    total += alone.loss * static_cast<double>(alone.tokens);
    scored += alone.tokens;
  }
  const TokenFile text(all.finish(), "all");
  const auto evaluator = make_evaluator(small_model(), kVocabSize, Precision::fp32);
  const Evaluation apart = evaluator->evaluate(
      rig.weights, *make_text_evaluation(small_model(), text, std::numeric_limits<Index>::max(), kEnd));
  EXPECT_EQ(apart.tokens, scored);  // the first of each document is not predicted
  EXPECT_NEAR(apart.loss * static_cast<double>(scored), total, 1e-5);
  const Evaluation across = make_evaluator(small_model(), kVocabSize, Precision::fp32)->evaluate(rig.weights, text);
  EXPECT_EQ(across.tokens, 14);
}

TEST(Evaluator, TheIntervalNarrowsWithTheRootOfTheText) {
  EvaluatorRig rig;
  const auto evaluator = make_evaluator(small_model(), kVocabSize, Precision::fp32);
  const Evaluation small = evaluator->evaluate(rig.weights, tokens(2001));
  const Evaluation large = evaluator->evaluate(rig.weights, tokens(32001));
  EXPECT_NEAR(*small.margin / *large.margin, 4.0, 0.8);
  EXPECT_FALSE(evaluator->evaluate(rig.weights, tokens(4)).margin.has_value());  // one window has no spread
  EXPECT_FALSE(small.bits_per_byte.has_value());
}

TEST(Evaluator, AnUntrainedModelIsAsGoodAsGuessing) {
  ModelConfig config = small_model();
  config.init.std = 0.02;
  const LanguageModel<float> model(config, kVocabSize);
  ParameterBuffer<float> weights(model.layout);
  initialise(config, 1, weights);
  const auto evaluator = make_evaluator(config, kVocabSize, Precision::fp32);
  EXPECT_NEAR(evaluator->evaluate(weights, tokens(2001)).loss, std::log(13.0), 0.01);
}

// Weights and activations of 8 bits are off by 2^-9 each; over a text these errors average out.
TEST(Evaluator, Bfloat16ScoresAsFloatDoes) {
  EvaluatorRig rig;
  ParameterBuffer<bfloat16> rounded(rig.model.layout);
  const Weights weights(rig.weights, rounded);
  weights.round();
  const TokenFile text = tokens(2001);
  const Evaluation wide = make_evaluator(small_model(), kVocabSize, Precision::fp32)->evaluate(weights, text);
  const Evaluation narrow = make_evaluator(small_model(), kVocabSize, Precision::bf16)->evaluate(weights, text);
  EXPECT_NE(narrow.loss, wide.loss);
  EXPECT_NEAR(narrow.loss, wide.loss, 0.01);
  EXPECT_NEAR(narrow.accuracy, wide.accuracy, 0.03);
}

TEST(Evaluator, RefusesATextOfOneTokenAndIdsBeyondTheVocabulary) {
  EvaluatorRig rig;
  const auto evaluator = make_evaluator(small_model(), kVocabSize, Precision::fp32);
  EXPECT_THROW(evaluator->evaluate(rig.weights, tokens(1)), Error);
  TokenFileBuilder builder(100);
  builder.append(std::vector<std::int32_t>{1, 99, 2});
  EXPECT_THROW(evaluator->evaluate(rig.weights, TokenFile(builder.finish(), "test")), Error);
}

}  // namespace
}  // namespace kiln
