// Reward models: the head by hand and by central differences, then whole models through a runner.
#include "kiln/core/rng.h"
#include "kiln/core/threads.h"
#include "kiln/nn/heads.h"
#include "kiln/nn/language_model.h"
#include "kiln/nn/runner.h"

#include <gtest/gtest.h>

#include "support/gradient.h"
#include "support/sequences.h"
#include "support/small_models.h"
#include <algorithm>
#include <cmath>
#include <vector>

namespace kiln {
namespace {

using testing::expect_gradient;
using testing::kSmallVocabulary;
using testing::randn;
using testing::scoring;
using testing::Tensor;

/// A head over hidden states that a test sets.
template <class T>
struct HeadRun {
  static constexpr Index kRows = 9;

  HeadRun()
      : model(scoring(testing::small_gpt2()), kSmallVocabulary),
        weights(model.layout),
        arena(std::size_t{1} << 20),
        activations(model.trunk.lay_out(arena, kRows, std::nullopt)) {
    Rng rng(11, "score head");
    const Tensor<T> hidden = randn<T>(rng, kRows, model.config().d_model);
    activations.hidden = hidden.data;
    for (T& w : weight()) w = static_cast<T>(rng.normal());
  }

  Vec<T> weight() { return weights.vec(model.layout.find({Module::score})); }

  std::vector<Acc<T>> scores(const std::vector<Index>& rows) {
    std::vector<Acc<T>> scores(rows.size());
    model.score_head()->forward(weights, activations, rows, Vec<Acc<T>>(scores.data(), std::ssize(scores)));
    return scores;
  }

  LanguageModel<T> model;
  ParameterBuffer<T> weights;
  Arena arena;
  GptActivations<T> activations;
};

TEST(ScoreHead, HasOneRowAndNoUnembedding) {
  for (const ModelConfig& config : {testing::small_gpt2(), testing::small_llama()}) {
    const LanguageModel<float> language(config, kSmallVocabulary), reward(scoring(config), kSmallVocabulary);
    EXPECT_EQ(reward.layout.find("lm_head.weight").index, -1);
    const ParameterId id = reward.layout.find("score.weight");
    ASSERT_TRUE(id);
    EXPECT_EQ(reward.layout[id].shape(), (std::vector<Index>{1, 8}));
    EXPECT_EQ(reward.layout[id].role, Role::score);
    const Index unembedding = language.layout.count(Role::unembedding);
    EXPECT_EQ(reward.layout.count(), language.layout.count() - unembedding + 8);
    EXPECT_EQ(reward.next_token_head(), nullptr);
    EXPECT_EQ(language.score_head(), nullptr);
  }
}

TEST(ScoreHead, ScoresTheChosenRowsAlone) {
  HeadRun<double> run;
  const std::vector<double> all = run.scores(testing::all_rows(9));
  for (const std::vector<Index>& rows : {std::vector<Index>{0, 2, 7, 8}, {3, 4, 5}, {8}, {}}) {
    const std::vector<double> some = run.scores(rows);
    for (std::size_t m = 0; m < rows.size(); ++m) EXPECT_EQ(some[m], all[static_cast<std::size_t>(rows[m])]);
  }
  for (Index n = 0; n < 9; ++n) {
    const double expected = run.activations.hidden.row(n).dot(run.weight().transpose());
    EXPECT_NEAR(all[static_cast<std::size_t>(n)], expected, 1e-14 * std::abs(expected) + 1e-14);
  }
}

TEST(ScoreHead, BackwardMatchesCentralDifferences) {
  constexpr double kBefore = 9.0;
  HeadRun<double> run;
  for (const std::vector<Index>& rows : {std::vector<Index>{0, 2, 7}, {3, 4, 5, 6}, {8}}) {
    Rng rng(12, "score head");
    const Tensor<double> d_scores = randn(rng, 1, std::ssize(rows));
    Tensor<double> hidden(HeadRun<double>::kRows, 8), weight(1, 8), d_hidden = hidden, d_weight = weight;
    hidden.data = run.activations.hidden;
    weight.v() = run.weight();
    const auto loss = [&] {
      run.activations.hidden = hidden.data;
      run.weight() = weight.v();
      const std::vector<double> scores = run.scores(rows);
      return ConstVec<double>(scores.data(), std::ssize(scores)).dot(d_scores.cv());
    };
    Gradients<double> gradients(run.model.layout);
    const ParameterId id = run.model.layout.find({Module::score});
    gradients.vec(id).setConstant(kBefore);
    run.activations.d_hidden.setConstant(std::nan(""));
    run.model.score_head()->backward(run.weights, run.activations, rows, d_scores.cv(), Write::overwrite, gradients);
    d_hidden.data = run.activations.d_hidden;
    d_weight.v() = gradients.vec(id);
    expect_gradient("hidden", hidden, d_hidden, loss);
    expect_gradient("weight", weight, d_weight, loss, {.initial = kBefore});
    for (Index n = 0; n < HeadRun<double>::kRows; ++n) {
      const bool is_scored = std::ranges::find(rows, n) != rows.end();
      EXPECT_TRUE(is_scored || d_hidden.data.row(n).norm() == 0) << n;
    }
  }
}

TEST(ScoreHead, AFrozenWeightHasNoGradientAndThreadsChangeNoBit) {
  HeadRun<float> run;
  const std::vector<Index> rows = testing::all_rows(9);
  const std::vector<float> d_scores(9, 0.5f);
  const auto backward = [&](const ParameterLayout& layout) {
    Gradients<float> gradients(layout);
    run.model.score_head()->backward(run.weights, run.activations, rows, ConstVec<float>(d_scores.data(), 9),
                                     Write::overwrite, gradients);
    return gradients;
  };
  set_threads(1);
  const Gradients<float> one = backward(run.model.layout);
  const RowMajor<float> d_hidden = run.activations.d_hidden;
  set_threads(3);
  const Gradients<float> three = backward(run.model.layout);
  EXPECT_TRUE(one.all() == three.all());
  EXPECT_TRUE(run.activations.d_hidden == d_hidden);
  const ParameterLayout frozen = run.model.layout.subset([](const Parameter& p) { return p.role != Role::score; });
  EXPECT_EQ(backward(frozen).all().norm(), 0);
  EXPECT_TRUE(run.activations.d_hidden == d_hidden);
  set_threads(0);
}

/// Scores and gradients of a batch, sum_m d_scores[m] * scores[m] being the loss.
template <class T>
struct RewardModel {
  explicit RewardModel(const ModelConfig& config) : model(scoring(config), kSmallVocabulary), weights(model.layout) {
    Rng rng(21, "reward model");
    for (const Parameter& p : model.layout.parameters()) {
      for (T& value : weights.vec(p.id)) value = static_cast<T>(0.3 * rng.normal());
    }
  }

  std::unique_ptr<Runner<Acc<T>>> runner(const TokenRows& rows, const std::vector<Index>& scored) const {
    return make_runner<T>(model.config(), kSmallVocabulary,
                          {.rows = rows.size(), .scored = std::ssize(scored), .backward = Recompute::none});
  }

  std::vector<Acc<T>> scores(const TokenRows& rows, const std::vector<Index>& scored) {
    std::vector<Acc<T>> scores(scored.size());
    const auto running = runner(rows, scored);
    running->forward(weights, rows);
    running->score({scored, {}}, Vec<Acc<T>>(scores.data(), std::ssize(scores)));
    return scores;
  }

  Gradients<Acc<T>> gradients(const TokenRows& rows, const std::vector<Index>& scored,
                              const std::vector<Acc<T>>& d_scores) {
    std::vector<Acc<T>> outputs(scored.size());
    Gradients<Acc<T>> gradients(model.layout);
    gradients.clear();
    const auto running = runner(rows, scored);
    running->forward(weights, rows);
    running->backward({scored, {}}, ConstVec<Acc<T>>(d_scores.data(), std::ssize(d_scores)),
                      Vec<Acc<T>>(outputs.data(), std::ssize(outputs)), gradients);
    gradients.finish();
    EXPECT_EQ(outputs, scores(rows, scored));
    return gradients;
  }

  LanguageModel<T> model;
  ParameterBuffer<T> weights;
};

/// Sequences of these lengths, end to end, and rows of no sequence after them.
TokenRows packed(const std::vector<Index>& lengths) {
  TokenRows rows;
  Rng rng(33, "reward model");
  for (const Index length : lengths) {
    for (std::int32_t& token : rows.append(length)) token = static_cast<std::int32_t>(rng.below(kSmallVocabulary));
  }
  rows.round_up(4);
  return rows;
}

const std::vector<Index> kLengths{4, 1, 6, 2};
const std::vector<Index> kLast{3, 4, 10, 12};  // the last row of each

std::vector<ModelConfig> families() { return {testing::small_gpt2(), testing::small_llama(), testing::small_modern()}; }

TEST(RewardModel, GradientsMatchCentralDifferencesOverAPackedBatch) {
  constexpr double kStep = 1e-5;
  const std::vector<double> d_scores{0.7, -1.2, 0.4, 0.9};
  for (const ModelConfig& config : families()) {
    RewardModel<double> reward(config);
    const TokenRows rows = packed(kLengths);
    const auto runner = reward.runner(rows, kLast);
    const auto loss = [&] {
      std::vector<double> scores(kLast.size());
      runner->forward(reward.weights, rows);
      runner->score({kLast, {}}, Vec<double>(scores.data(), 4));
      return ConstVec<double>(scores.data(), 4).dot(ConstVec<double>(d_scores.data(), 4));
    };
    const Gradients<double> gradients = reward.gradients(rows, kLast, d_scores);
    for (const Parameter& p : reward.model.layout.parameters()) {
      for (Index i = 0; i < p.size(); i += 1 + p.size() / 40) {  // some of each tensor
        double& weight = reward.weights.vec(p.id)[i];
        const double before = weight;
        weight = before + kStep;
        const double above = loss();
        weight = before - kStep;
        const double numeric = (above - loss()) / (2 * kStep);
        weight = before;
        ASSERT_NEAR(gradients.vec(p.id)[i], numeric, 1e-7 * std::max(1.0, std::abs(numeric))) << p.name << " " << i;
      }
    }
  }
}

TEST(RewardModel, AScoreDoesNotDependOnWhatIsPackedBeside) {
  for (const ModelConfig& config : families()) {
    RewardModel<float> reward(config);
    const TokenRows batch = packed(kLengths);
    const std::vector<float> together = reward.scores(batch, kLast);
    for (std::size_t i = 0; i < kLengths.size(); ++i) {
      const Sequence& s = batch.sequences[i];
      TokenRows alone;
      alone.append(
          std::span(batch.tokens).subspan(static_cast<std::size_t>(s.row), static_cast<std::size_t>(s.length)));
      const std::vector<float> score = reward.scores(alone, {s.length - 1});
      EXPECT_NEAR(score[0], together[i], 1e-5 * std::max(1.0f, std::abs(together[i])));
    }
    const std::vector<float> every = reward.scores(batch, testing::all_rows(batch.size()));
    for (std::size_t i = 0; i < kLast.size(); ++i) EXPECT_EQ(every[static_cast<std::size_t>(kLast[i])], together[i]);
  }
}

// bfloat16 keeps 8 bits: each of the about 20 rounded tensors before the hidden states is off by up to 2^-9, and such
// errors add up like a random walk, sqrt(20) * 2^-9 = 0.9% of the hidden state's norm; |h . w| is at most |h| |w|.
TEST(RewardModel, Bfloat16IsFloatToWithinItsBits) {
  for (const ModelConfig& config : families()) {
    RewardModel<float> wide(config);
    RewardModel<bfloat16> narrow(config);
    for (Index i = 0; i < wide.weights.all().size(); ++i)
      wide.weights.all()[i] = static_cast<float>(narrow.weights.all()[i]);
    const TokenRows rows = packed(kLengths);
    const std::vector<float> d_scores{0.7f, -1.2f, 0.4f, 0.9f};
    const std::vector<float> in_wide = wide.scores(rows, kLast), in_narrow = narrow.scores(rows, kLast);
    const double norm = wide.weights.vec(wide.model.layout.find("score.weight")).norm() * std::sqrt(8.0);
    for (std::size_t m = 0; m < kLast.size(); ++m) EXPECT_NEAR(in_narrow[m], in_wide[m], 0.03 * norm);
    const Gradients<float> expected = wide.gradients(rows, kLast, d_scores),
                           found = narrow.gradients(rows, kLast, d_scores);
    EXPECT_LT((found.all() - expected.all()).norm(), 0.05 * expected.all().norm());
    EXPECT_NE(found.all(), expected.all());
  }
}

TEST(RewardModel, KeepsNoLogits) {
  constexpr Index kManyEntries = 20'000;
  const auto bytes = [](const ModelConfig& config, Index scored) {
    return runner_bytes(config, kManyEntries, Precision::fp32,
                        {.rows = 64, .scored = scored, .backward = Recompute::none});
  };
  const ModelConfig language = testing::small_gpt2();
  EXPECT_GE(bytes(language, 64), bytes(scoring(language), 64) + 64 * kManyEntries * sizeof(float));
  EXPECT_EQ(bytes(scoring(language), 64), bytes(scoring(language), 1));
}

}  // namespace
}  // namespace kiln
