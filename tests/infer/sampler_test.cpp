// Which tokens can be drawn, and how often they are.
#include "kiln/infer/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch.h"
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;

// Tokens 2, 0, 3, 1, 4 from the likeliest on.
const std::vector<double> kProbabilities{0.25, 0.1, 0.4, 0.2, 0.05};

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p) + 3.0));
  return logits;
}

std::map<TokenId, double> draw_many(const SamplingOptions& options, int draws = 40000,
                                    const std::vector<TokenId>& context = {}) {
  Sampler sampler(options);
  Rng rng(1, "sampling");
  const std::vector<float> logits = logits_of(kProbabilities);
  std::map<TokenId, double> shares;
  for (int i = 0; i < draws; ++i) {
    std::vector<float> row = logits;
    shares[sampler.pick(Vec<float>(row.data(), std::ssize(row)), context, rng)] += 1.0 / draws;
  }
  return shares;
}

std::vector<TokenId> support(const SamplingOptions& options) {
  std::vector<TokenId> tokens;
  for (const auto& [token, share] : draw_many(options, 4000)) tokens.push_back(token);
  return tokens;
}

/// Expects the shares of `expected`, scaled to sum to 1, within five standard deviations of 40,000 draws.
void expect_shares(const std::map<TokenId, double>& found, const std::map<TokenId, double>& expected) {
  double total = 0;
  for (const auto& [token, weight] : expected) total += weight;
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [token, weight] : expected) {
    const double p = weight / total;
    EXPECT_NEAR(found.at(token), p, 5 * std::sqrt(p * (1 - p) / 40000)) << token;
  }
}

TEST(Sampler, DrawsFromTheDistributionAsItStands) {
  expect_shares(draw_many({}), {{0, 0.25}, {1, 0.1}, {2, 0.4}, {3, 0.2}, {4, 0.05}});
}

TEST(Sampler, TemperatureIsAPowerOfTheProbabilities) {
  expect_shares(draw_many({.temperature = 0.5}), {{0, 0.0625}, {1, 0.01}, {2, 0.16}, {3, 0.04}, {4, 0.0025}});
  expect_shares(draw_many({.temperature = 2}),
                {{0, 0.5}, {1, std::sqrt(0.1)}, {2, std::sqrt(0.4)}, {3, std::sqrt(0.2)}, {4, std::sqrt(0.05)}});
}

TEST(Sampler, TemperatureZeroIsGreedy) {
  EXPECT_THAT(support({.temperature = 0}), ElementsAre(2));
  EXPECT_THAT(support({.greedy = true}), ElementsAre(2));
  EXPECT_THAT(support({.temperature = 1e-300}), ElementsAre(2));
}

TEST(Sampler, TopKKeepsTheKLikeliest) {
  EXPECT_THAT(support({.top_k = 1}), ElementsAre(2));
  EXPECT_THAT(support({.top_k = 3}), ElementsAre(0, 2, 3));
  EXPECT_THAT(support({.top_k = 5}), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(support({.top_k = 1000}), ElementsAre(0, 1, 2, 3, 4));
  expect_shares(draw_many({.top_k = 2}), {{0, 0.25}, {2, 0.4}});
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesP) {
  EXPECT_THAT(support({.top_p = 0.01}), ElementsAre(2));
  EXPECT_THAT(support({.top_p = 0.39}), ElementsAre(2));
  EXPECT_THAT(support({.top_p = 0.41}), ElementsAre(0, 2));
  EXPECT_THAT(support({.top_p = 0.84}), ElementsAre(0, 2, 3));
  EXPECT_THAT(support({.top_p = 0.94}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(support({.top_p = 0.96}), ElementsAre(0, 1, 2, 3, 4));
  expect_shares(draw_many({.top_p = 0.8}), {{0, 0.25}, {2, 0.4}, {3, 0.2}});
}

TEST(Sampler, MinPIsRelativeToTheLikeliest) {
  EXPECT_THAT(support({.min_p = 0.13}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(support({.min_p = 0.26}), ElementsAre(0, 2, 3));
  EXPECT_THAT(support({.min_p = 0.51}), ElementsAre(0, 2));
  EXPECT_THAT(support({.min_p = 1}), ElementsAre(2));
}

TEST(Sampler, EachStepWorksOnWhatTheOneBeforeLeft) {
  // Of the two likeliest, token 2 has 0.4 / 0.65 = 0.615 of the probability.
  EXPECT_THAT(support({.top_k = 2, .top_p = 0.6}), ElementsAre(2));
  EXPECT_THAT(support({.top_k = 2, .top_p = 0.63}), ElementsAre(0, 2));
  // At temperature 1/2 token 2 has 0.16 / 0.275 = 0.582, where it had 0.4.
  EXPECT_THAT(support({.temperature = 0.5, .top_p = 0.57}), ElementsAre(2));
  EXPECT_THAT(support({.temperature = 0.5, .min_p = 0.3}), ElementsAre(0, 2));
}

TEST(Sampler, EqualLogitsRankById) {
  std::vector<float> equal(6, 1.5f);
  Rng rng(1, "sampling");
  EXPECT_EQ(Sampler({.greedy = true}).pick(Vec<float>(equal.data(), 6), {}, rng), 0);
  std::map<TokenId, int> seen;
  Sampler sampler({.top_k = 4, .top_p = 0.5});
  for (int i = 0; i < 100; ++i) {
    std::vector<float> row = equal;
    ++seen[sampler.pick(Vec<float>(row.data(), 6), {}, rng)];
  }
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen.rbegin()->first, 1);
}

TEST(Sampler, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogitsOnce) {
  const std::vector<float> logits{2.0f, -1.0f, 0.5f};
  const auto pick = [&](double penalty, std::vector<TokenId> context) {
    std::vector<float> row = logits;
    Rng rng(1, "sampling");
    Sampler sampler({.repetition_penalty = penalty, .greedy = true});
    sampler.pick(Vec<float>(row.data(), 3), context, rng);
    return row;  // as penalised
  };
  EXPECT_THAT(pick(2, {0, 0, 0, 1}), ElementsAre(1.0f, -2.0f, 0.5f));
  EXPECT_THAT(pick(0.5, {1, 2}), ElementsAre(2.0f, -0.5f, 1.0f));
  EXPECT_THAT(pick(1, {0, 1, 2}), ElementsAre(2.0f, -1.0f, 0.5f));
  EXPECT_THAT(pick(2, {7, -1}), ElementsAre(2.0f, -1.0f, 0.5f)) << "ids beyond the row";

  Sampler sampler({.repetition_penalty = 2, .greedy = true});
  Rng rng(1, "sampling");
  std::vector<float> first = logits, second = logits;
  sampler.pick(Vec<float>(first.data(), 3), std::vector<TokenId>{0}, rng);
  sampler.pick(Vec<float>(second.data(), 3), std::vector<TokenId>{2}, rng);
  EXPECT_THAT(second, ElementsAre(2.0f, -1.0f, 0.25f)) << "the first call's context is forgotten";
}

TEST(Sampler, ATokenThatIsOutOfReachIsNeverDrawn) {
  std::vector<float> logits{0.0f, -200.0f, 0.0f};
  Sampler sampler({});
  Rng rng(1, "sampling");
  for (int i = 0; i < 1000; ++i) {
    std::vector<float> row = logits;
    EXPECT_NE(sampler.pick(Vec<float>(row.data(), 3), {}, rng), 1);
  }
}

TEST(Sampler, OptionsOutOfRangeAreUsageErrors) {
  const auto fails = [](const SamplingOptions& options, std::string_view text) {
    expect_error(ExitCode::usage, text, [&] { Sampler{options}; });
  };
  fails({.temperature = -1}, "the temperature is -1; it must be 0 (always the likeliest token) or more");
  fails({.temperature = std::numeric_limits<double>::quiet_NaN()},
        "the temperature is NaN; it must be 0 (always the likeliest token) or more");
  fails({.top_k = -1}, "top-k is -1; it must be 1 or more, or 0 for all tokens");
  fails({.top_p = 0}, "top-p is 0; it must be greater than 0 and at most 1 (all tokens)");
  fails({.top_p = 1.5}, "top-p is 1.5; it must be greater than 0 and at most 1 (all tokens)");
  fails({.min_p = -0.1}, "min-p is -0.1; it must lie between 0 (all tokens) and 1");
  fails({.repetition_penalty = 0},
        "the repetition penalty is 0; it must lie between 1.2e-38 and 3.4e+38; 1 is no penalty");
  fails({.repetition_penalty = 1e-40},
        "the repetition penalty is 1e-40; it must lie between 1.2e-38 and 3.4e+38; 1 is no penalty");
  fails({.repetition_penalty = 1e39},
        "the repetition penalty is 1e+39; it must lie between 1.2e-38 and 3.4e+38; 1 is no penalty");
}

/// What a penalty drives beyond a float's range counts as its greatest or lowest number: infinities would make NaN.
TEST(Sampler, TheGreatestAndLeastPenaltiesLeaveADistribution) {
  const auto drawn = [](double penalty, const std::vector<float>& logits) {
    std::set<TokenId> tokens;
    Rng rng(1, "sampling");
    Sampler sampler({.top_p = 0.5, .repetition_penalty = penalty});
    for (int draw = 0; draw < 50; ++draw) {
      std::vector<float> scores = logits;
      tokens.insert(sampler.pick(Vec<float>(scores.data(), 3), std::vector<TokenId>{0, 1, 2}, rng));
    }
    return tokens;
  };
  EXPECT_EQ(drawn(1.2e-38, {2, -10, 12}), std::set<TokenId>{2});
  EXPECT_EQ(drawn(3.4e38, {-2, -10, -12}), (std::set<TokenId>{0, 1})) << "of three equals, two reach a half";
}

TEST(Sampler, ScoresThatAreNotFiniteAreRefused) {
  std::vector<float> logits{0.0f, std::numeric_limits<float>::infinity()};
  Rng rng(1, "sampling");
  expect_error(ExitCode::diverged,
               "the model's scores for the next token are not finite: its weights hold NaN or are far too large; take "
               "an earlier checkpoint (--checkpoint STEP), or copy or download the model again",
               [&] { Sampler({}).pick(Vec<float>(logits.data(), 2), {}, rng); });
}

}  // namespace
}  // namespace kiln
