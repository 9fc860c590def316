// kiln verify: what it prints, and its exit codes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(VerifyCommand, ATrainedRunIsGood) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  const Outcome text = run_kiln({"verify", run.folder});
  EXPECT_EQ(text.code, 0) << text.out << text.err;
  EXPECT_THAT(text.out, ContainsRegex("step-00000000 +good\n"));
  EXPECT_THAT(text.out, ContainsRegex("latest +step-00000020\n"));
  EXPECT_THAT(text.out, ContainsRegex("best +step-[0-9]+\n"));
  EXPECT_THAT(text.out, ContainsRegex("metrics.jsonl +20 rows, steps 1 to 20\n"));
  const Outcome outcome = run_kiln({"verify", run.folder, "--json"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["good"], true);
  EXPECT_EQ(report["latest"]["target"], "step-00000020");
  EXPECT_EQ(report["metrics"]["rows"], 20);
  EXPECT_EQ(run_kiln({"verify", run.folder + "/checkpoints/step-00000020"}).code, 0);
}

TEST(VerifyCommand, ADamagedCheckpointExitsOneWithFileFoundExpectedAndRemedy) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  std::filesystem::resize_file(run.folder + "/checkpoints/step-00000020/model.safetensors", 100);
  const Outcome text = run_kiln({"verify", run.folder});
  EXPECT_EQ(text.code, 1);
  EXPECT_THAT(text.out,
              ContainsRegex("step-00000020 +damaged\n  model.safetensors: has 100 bytes, the manifest says "));
  const Outcome outcome = run_kiln({"verify", run.folder, "--json"});
  EXPECT_EQ(outcome.code, 1);
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["good"], false);
  const json problem = report["checkpoints"].back()["problems"][0];
  EXPECT_EQ(problem["file"], "model.safetensors");
  EXPECT_EQ(problem["found"], "has 100 bytes");
  EXPECT_THAT(problem["expected"].get<std::string>(), HasSubstr("the manifest says "));
  EXPECT_THAT(problem["remedy"].get<std::string>(), HasSubstr("take another checkpoint"));
}

TEST(VerifyCommand, WhatIsNoRunExitsThree) {
  const testing::Scratch scratch;
  const Outcome outcome = run_kiln({"verify", scratch.path().string()});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("is neither a run directory (with checkpoints/) nor a checkpoint folder"));
  EXPECT_EQ(run_kiln({"verify", "/no/such/run"}).code, 3);
}

}  // namespace
}  // namespace kiln
