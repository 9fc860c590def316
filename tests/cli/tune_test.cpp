// kiln tune lr: the curve, and what it suggests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::Outcome;
using testing::SmallRun;

/// In the scratch folder, where its runs/ is made.
Outcome tune(const SmallRun& run, const std::string& more = "") {
  const std::string command =
      "cd " + run.scratch.path().string() + " && " + KILN_BINARY + " tune lr " + run.config + " --steps 30 " + more;
  return testing::run({"sh", "-c", command});
}

TEST(TuneCommand, SuggestsALearningRateAsJson) {
  const SmallRun run;
  const Outcome outcome = tune(run, "--json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json result = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(result["points"].size(), 30u);
  const double suggested = result["suggested"]["optimizer.learning_rate"].get<double>();
  EXPECT_GT(suggested, 1e-5);
  EXPECT_LT(suggested, 1.0);
  EXPECT_FALSE(result["suggested"].contains("optimizer.muon_learning_rate"));
}

TEST(TuneCommand, DrawsTheCurveAndNamesTheCommandToTry) {
  const SmallRun run;
  const Outcome outcome = tune(run, "--set optimizer.type=muon --output curve.svg");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("log10 of the learning rate"));
  EXPECT_THAT(outcome.out, HasSubstr("kiln train " + run.config + " --set optimizer.learning_rate="));
  EXPECT_THAT(outcome.out, HasSubstr(" --set optimizer.muon_learning_rate="));
  EXPECT_TRUE(std::filesystem::exists(run.scratch.path("curve.svg")));
}

TEST(TuneCommand, SaysWhereTheRangeEndsTooSoon) {
  const SmallRun run;
  const Outcome outcome = tune(run, "--from 1e-3 --to 2e-3");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("the loss still falls at 0.002, where the test ends; raise --to"));
}

TEST(TuneCommand, RefusesARangeThatFalls) {
  const SmallRun run;
  const Outcome outcome = tune(run, "--from 1 --to 0.1");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("from 1 to 0.1"));
}

TEST(TuneCommand, LooksWhereThePictureGoesBeforeItTrains) {
  const SmallRun run;
  const Outcome nowhere = tune(run, "--output nowhere/curve.svg");
  EXPECT_EQ(nowhere.code, 2);
  EXPECT_THAT(nowhere.err, HasSubstr("there is no folder nowhere"));
  const Outcome other = tune(run, "--output curve.pdf");
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.err, HasSubstr("curve.pdf: a file name that ends in .svg or .png is expected"));
}

}  // namespace
}  // namespace kiln
