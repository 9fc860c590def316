// Agreement, noise ceilings and sources' records, counted by hand.
#include "kiln/data/agreement.h"

#include "kiln/core/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace kiln {
namespace {

/// A prompt with two answers, of the sources x and y.
JudgedPrompt pair_of_sources(std::vector<Judgement> judgements) {
  return {.messages = {{ChatRole::user, "q"}},
          .answers = {{.text = "a", .source = "x"}, {.text = "b", .source = "y"}},
          .judgements = std::move(judgements)};
}

Judgement first_better(const std::string& rater) { return {.order = {{0}, {1}}, .rater = rater}; }
Judgement second_better(const std::string& rater) { return {.order = {{1}, {0}}, .rater = rater}; }
Judgement as_good(const std::string& rater) { return {.order = {{0, 1}}, .rater = rater}; }

TEST(JudgementReports, CountAgreementBetweenRaters) {
  const std::vector<JudgedPrompt> prompts{pair_of_sources({first_better("ann"), first_better("bob")}),
                                          pair_of_sources({first_better("ann"), second_better("bob")}),
                                          pair_of_sources({second_better("ann"), as_good("bob")}),
                                          pair_of_sources({as_good("ann"), as_good("bob")})};
  const JudgementReport report = report_on(prompts);
  EXPECT_DOUBLE_EQ(report.between.same.value, 0.5);
  EXPECT_EQ(report.between.same.trials, 4);
  EXPECT_DOUBLE_EQ(report.between.decided.value, 0.5);
  EXPECT_EQ(report.between.decided.trials, 2);
  const double tie = 3.0 / 8, chance = tie * tie + (1 - tie) * (1 - tie) / 2;
  EXPECT_DOUBLE_EQ(report.between.kappa, (0.5 - chance) / (1 - chance));
  EXPECT_EQ((report.raters.at({"ann", "bob"}).trials), 2);
  EXPECT_EQ(report.within.same.trials, 0);
  EXPECT_TRUE(std::isnan(report.within.kappa));
  EXPECT_FALSE(report.is_ceiling_of_one_rater);
  ASSERT_TRUE(report.ceiling.has_value());
  EXPECT_NEAR(report.ceiling->likely, 0.5, 1e-12);
}

TEST(JudgementReports, CountHowOftenARaterRepeatsAJudgement) {
  const std::vector<JudgedPrompt> prompts{
      pair_of_sources({first_better("ann"), first_better("ann"), second_better("ann")}),
      pair_of_sources({first_better("ann"), as_good("ann")}), pair_of_sources({second_better("bob")})};
  const JudgementReport report = report_on(prompts);
  EXPECT_DOUBLE_EQ(report.within.decided.value, 0.5);
  EXPECT_EQ(report.within.decided.trials, 2);
  EXPECT_EQ(report.within.same.trials, 3);
  EXPECT_EQ(report.consistency.size(), 1u);
  EXPECT_EQ(report.between.same.trials, 0);
  EXPECT_TRUE(report.is_ceiling_of_one_rater);
}

TEST(JudgementReports, ARankingAgreesPairByPair) {
  JudgedPrompt prompt{
      .messages = {{ChatRole::user, "q"}},
      .answers = {{.text = "a"}, {.text = "b"}, {.text = "c"}},
      .judgements = {{.order = {{0}, {1}, {2}}, .rater = "ann"}, {.order = {{0}, {2}, {1}}, .rater = "bob"}}};
  const JudgementReport report = report_on(std::span(&prompt, 1));
  EXPECT_DOUBLE_EQ(report.between.decided.value, 2.0 / 3);
  EXPECT_TRUE(report.sources.empty()) << "their sources are unknown";
}

TEST(JudgementReports, LeaveOutNamelessRatersAndAnswersOfRaters) {
  JudgedPrompt prompt = pair_of_sources({first_better(""), second_better("")});
  prompt.answers.push_back({.text = "edit", .is_edit = true});
  prompt.judgements.push_back({.order = {{2}, {0}, {1}}, .rater = "ann"});
  prompt.judgements.push_back({.order = {{2}, {0}, {1}}, .rater = "bob"});
  const JudgementReport report = report_on(std::span(&prompt, 1));
  EXPECT_EQ(report.between.same.trials, 1);
  ASSERT_EQ(report.sources.size(), 2u);
  EXPECT_EQ(report.sources[0].source, "x");
  EXPECT_EQ(report.sources[0].wins, 3);
  EXPECT_EQ(report.sources[0].losses, 1);
}

TEST(JudgementReports, CountHowOftenTheBetterAnswerWasShownFirst) {
  Judgement first = first_better("ann"), second = second_better("ann"), tie = as_good("ann"),
            unknown = first_better("ann");
  first.shown = {0, 1};
  second.shown = {0, 1};
  tie.shown = {1, 0};
  JudgedPrompt prompt = pair_of_sources({first, second, first, tie, unknown});
  const JudgementReport report = report_on(std::span(&prompt, 1));
  EXPECT_DOUBLE_EQ(report.first_shown.value, 2.0 / 3);
  EXPECT_EQ(report.first_shown.trials, 3);
}

TEST(JudgementReports, RateSources) {
  const std::vector<JudgedPrompt> prompts{pair_of_sources({first_better("")}), pair_of_sources({first_better("")}),
                                          pair_of_sources({as_good("")}), pair_of_sources({second_better("")})};
  const JudgementReport report = report_on(prompts);
  ASSERT_EQ(report.sources.size(), 2u);
  const SourceRecord& best = report.sources[0];
  EXPECT_EQ(best.source, "x");
  EXPECT_EQ(best.wins, 2);
  EXPECT_EQ(best.losses, 1);
  EXPECT_EQ(best.ties, 1);
  EXPECT_DOUBLE_EQ(best.win_rate.value, 2.5 / 4);
  EXPECT_NEAR(best.strength - report.sources[1].strength, std::log(2.5 / 1.5), 1e-9);
  EXPECT_LT(best.low, best.strength);
}

// A real data set, where the machine has it; the figures are those of a count in Python.
TEST(JudgementReports, OfThreeAnnotators) {
  const char* named = std::getenv("KILN_DATA_DIR");
  const std::filesystem::path folder = named != nullptr ? named : KILN_SOURCE_DIR "/../shared/data";
  const std::filesystem::path file = folder / "pandalm-testset-v1.json";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no " << file;
  const JudgementReport report = report_on(read_judgements(std::span(&file, 1)).prompts);
  EXPECT_EQ(report.between.same.trials, 2979);
  EXPECT_NEAR(report.between.same.value, 0.922122, 1e-6);
  EXPECT_EQ(report.between.decided.trials, 2610);
  EXPECT_NEAR(report.between.decided.value, 0.947126, 1e-6);
  EXPECT_NEAR(report.between.kappa, 0.868129, 1e-6);
  EXPECT_EQ(report.within.same.trials, 0);
  EXPECT_EQ(report.sources.size(), 5u);
}

// The best accuracy and loss for labels drawn with normal log odds, by their standard deviation.
TEST(NoiseCeilings, EqualKnownValuesForNormalDifferences) {
  struct Known {
    double spread, accuracy, loss;
  };
  for (const Known& known : {Known{0.5, 0.5959, 0.6645}, Known{1, 0.6749, 0.5994}, Known{1.5, 0.7342, 0.5274},
                             Known{2, 0.7780, 0.4620}, Known{3, 0.8359, 0.3605}, Known{4, 0.8712, 0.2909}}) {
    Rng rng(1, "test");  // the agreement of two labels at this spread, by sampling
    double agreement = 0;
    constexpr int kDraws = 100'000;
    for (int i = 0; i < kDraws; ++i) {
      const double q = 1 / (1 + std::exp(-known.spread * rng.normal()));
      agreement += (q * q + (1 - q) * (1 - q)) / kDraws;
    }
    const NoiseCeiling ceiling = noise_ceiling(agreement);
    EXPECT_NEAR(ceiling.spread, known.spread, 0.02 * known.spread);
    EXPECT_NEAR(ceiling.likely, known.accuracy, 2e-3);
    EXPECT_NEAR(ceiling.log_loss, known.loss, 3e-3);
    EXPECT_LT(ceiling.low, ceiling.likely);
    EXPECT_LT(ceiling.likely, ceiling.high);
  }
}

TEST(NoiseCeilings, AreBoundedByTheAgreement) {
  const NoiseCeiling ceiling = noise_ceiling(0.68);  // q = 0.8 for all pairs: 0.64 + 0.04
  EXPECT_DOUBLE_EQ(ceiling.low, 0.68);
  EXPECT_NEAR(ceiling.high, 0.8, 1e-12);
  for (const double nothing : {0.5, 0.3}) {
    EXPECT_EQ(noise_ceiling(nothing).high, 0.5);
    EXPECT_NEAR(noise_ceiling(nothing).likely, 0.5, 1e-12);
    EXPECT_NEAR(noise_ceiling(nothing).log_loss, std::log(2), 1e-12);
  }
  const NoiseCeiling certain = noise_ceiling(1);
  EXPECT_EQ(certain.likely, 1);
  EXPECT_EQ(certain.log_loss, 0);
  EXPECT_EQ(certain.spread, INFINITY);
}

}  // namespace
}  // namespace kiln
