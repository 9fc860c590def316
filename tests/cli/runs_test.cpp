// kiln runs, as it is called.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <string>

namespace kiln {
namespace {

using nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;
using testing::SmallRun;

TEST(RunsCommand, ListsARunInATableAndAsJson) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  const Outcome table = run_kiln({"runs", run.scratch.path().string()});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, ContainsRegex("  run +parameters +steps +best validation +tokens +time +state\n"));
  EXPECT_THAT(table.out, ContainsRegex("  run +[0-9,]+ +20/20 +[0-9.]+ +1,280 +[0-9.]+ m?s +finished\n"));
  EXPECT_EQ(table.err, "");
  const Outcome outcome = run_kiln({"runs", run.scratch.path().string(), "--json"});
  const json runs = json::parse(outcome.out);
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0]["name"], "run");
  EXPECT_EQ(runs[0]["status"], "finished");
  EXPECT_EQ(runs[0]["process"], nullptr);
  EXPECT_EQ(runs[0]["step"], 20);
  EXPECT_EQ(runs[0]["problems"], json::array());
}

TEST(RunsCommand, ARunThatDivergedHasFailedAndSaysOfWhat) {
  const SmallRun run;
  const Outcome training = run.train(
      {"--set", "optimizer.learning_rate=1e30", "--set", "train.max_bad_steps=2", "--set", "optimizer.clip_norm=0"});
  ASSERT_EQ(training.code, 4) << training.err;
  const Outcome outcome = run_kiln({"runs", run.scratch.path().string(), "--json"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(json::parse(outcome.out)[0]["status"], "failed");
  EXPECT_THAT(outcome.err, HasSubstr("warning: run: diverged: 2 steps in a row"));
}

TEST(RunsCommand, SeesARunAtWork) {
  const SmallRun run;
  testing::Process training(run.training({"--set", "train.steps=100000000", "--set", "train.eval_every=0"}));
  ASSERT_TRUE(training.wait_for_error_text("step "));
  const json runs = json::parse(run_kiln({"runs", run.scratch.path().string(), "--json"}).out);
  EXPECT_EQ(runs[0]["status"], "running");
  EXPECT_EQ(runs[0]["process"], training.id());
  EXPECT_EQ(runs[0]["total_steps"], 100000000);
}

TEST(RunsCommand, OfAFolderWithoutRunsSaysSo) {
  const testing::Scratch scratch;
  const Outcome outcome = run_kiln({"runs", scratch.path().string(), "--json"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "[]\n");
  EXPECT_THAT(outcome.err, HasSubstr("holds no runs"));
}

}  // namespace
}  // namespace kiln
