// The report as programs and pages read it.
#include "kiln/data/report_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

JudgedPrompt judged_twice(const std::string& rater) {
  JudgedPrompt prompt{.messages = {{ChatRole::user, "q"}},
                      .answers = {{.text = "a", .source = "x"}, {.text = "b", .source = "y"}},
                      .judgements = {}};
  for (int i = 0; i < 2; ++i) {
    prompt.judgements.push_back({.order = {{0}, {1}}, .rater = rater, .shown = {0, 1}});
  }
  return prompt;
}

TEST(ReportJson, WritesSharesAndNullForWhatIsNotKnown) {
  const std::vector<JudgedPrompt> prompts{judged_twice("ann")};
  JudgementCensus census;
  census.judgements = 2;
  census.raters["ann"] = 2;
  const Json report = report_json(census, report_on(prompts));
  EXPECT_EQ(report["counts"]["judgements"], 2);
  EXPECT_EQ(report["counts"]["raters"]["ann"], 2);
  EXPECT_EQ(report["within_raters"]["decided"]["share"], 1.0);
  EXPECT_TRUE(report["between_raters"]["same"]["share"].is_null());
  EXPECT_EQ(report["ceiling"]["from"], "within");
  EXPECT_EQ(report["sources"][0]["source"], "x");
  EXPECT_EQ(report["sources"][0]["win_rate"]["share"], 1.0);
}

TEST(ReportJson, RatersSeeNeitherSourcesNorOthers) {
  const std::vector<JudgedPrompt> prompts{judged_twice("ann")};
  const Json own = own_report_json(report_on(prompts));
  EXPECT_EQ(own.size(), 1u);
  EXPECT_EQ(own["within_raters"]["same"]["trials"], 1.0);
  EXPECT_THAT(own.dump(), Not(HasSubstr("ann")));
}

}  // namespace
}  // namespace kiln
