// kiln diff: what it prints, and its exit codes.
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

TEST(DiffCommand, TellsWhatTrainingChanged) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  const std::string first = run.folder + "/checkpoints/step-00000000", last = run.folder + "/checkpoints/step-00000020";
  const Outcome same = run_kiln({"diff", run.folder, last, "--checkpoint", "latest"});
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_EQ(same.out, "config: equal\ntokenizer: equal (byte, 256 entries)\nweights: equal, every bit of 16 tensors\n");
  const Outcome text = run_kiln({"diff", first, last});
  EXPECT_EQ(text.code, 1);
  EXPECT_THAT(text.out, HasSubstr("weights: 16 of 16 tensors differ\n"));
  EXPECT_THAT(text.out, ContainsRegex("wte.weight +\\[256, 16\\] +0.[0-9]+ +0.[0-9]+ +[0-9.]+\n"));
  const Outcome outcome = run_kiln({"diff", first, last, "--json"});
  EXPECT_EQ(outcome.code, 1);
  const json comparison = json::parse(outcome.out);
  EXPECT_EQ(comparison["equal"], false);
  EXPECT_TRUE(comparison["config"].empty());
  EXPECT_EQ(comparison["tokenizer"]["equal"], true);
  EXPECT_EQ(comparison["tensors"].size(), 16u);
  for (const json& tensor : comparison["tensors"]) {
    EXPECT_GT(tensor["max_abs"].get<double>(), 0) << tensor;
    EXPECT_GE(tensor["max_abs"].get<double>(), tensor["rms"].get<double>());
  }
}

TEST(DiffCommand, TellsWhatAConfigChanged) {
  const SmallRun a, b;
  ASSERT_EQ(a.train({"--set", "train.steps=2"}).code, 0);
  ASSERT_EQ(run_kiln({"train", a.config, "--run", b.folder, "--set", "train.steps=2", "--set", "seed=9"}).code, 0);
  const Outcome outcome = run_kiln({"diff", a.folder, b.folder, "--json"});
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out)["config"], json::parse(R"([{"pointer": "/seed", "a": 1337, "b": 9}])"));
}

TEST(DiffCommand, ComparesWeightsAlone) {
  const SmallRun a, b;
  ASSERT_EQ(a.train({"--set", "train.steps=2"}).code, 0);
  ASSERT_EQ(b.train({"--set", "train.steps=2", "--set", "train.log_every=5"}).code, 0);
  const Outcome same = run_kiln({"diff", a.folder, b.folder, "--weights"});
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_EQ(same.out, "weights: equal, every bit of 16 tensors\n");
  EXPECT_EQ(run_kiln({"diff", a.folder, b.folder}).code, 1);  // of the config
  const std::string first = a.folder + "/checkpoints/step-00000000";
  const Outcome json_of_first = run_kiln({"diff", first, a.folder, "--weights", "--json"});
  EXPECT_EQ(json_of_first.code, 1);
  EXPECT_EQ(json::parse(json_of_first.out).size(), 2u);  // equal, tensors
  EXPECT_EQ(json::parse(json_of_first.out)["tensors"].size(), 16u);
}

TEST(DiffCommand, ComparesAModelFileOfLlmc) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "model.activation=gelu_new"}).code, 0);
  const std::string file = run.scratch.path("model.bin").string();
  ASSERT_EQ(run_kiln({"export", run.folder, "--to", "llmc", "--output", file}).code, 0);
  const json comparison = json::parse(run_kiln({"diff", run.folder, file, "--json"}).out);
  EXPECT_EQ(comparison["tensors"].size(), 16u);
  for (const json& tensor : comparison["tensors"]) EXPECT_EQ(tensor["max_abs"], 0) << tensor;
}

TEST(DiffCommand, ADamagedCheckpointExitsThree) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=2"}).code, 0);
  std::filesystem::resize_file(run.folder + "/checkpoints/step-00000002/model.safetensors", 100);
  EXPECT_EQ(run_kiln({"diff", run.folder + "/checkpoints/step-00000000", run.folder}).code, 3);
}

}  // namespace
}  // namespace kiln
