// kiln runs, as it is called.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli/on_terminal.h"
#include "cli/small_run.h"
#include <cmath>
#include <filesystem>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

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
  EXPECT_THAT(table.out, ContainsRegex("  run +parameters +steps +best validation +bits/byte +perplexity +accuracy "
                                       "+tokens +time +state\n"));
  EXPECT_THAT(table.out, ContainsRegex("  run +[0-9,]+ +20/20 +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+% +1,280 +[0-9.]+ "
                                       "m?s +finished\n"));
  EXPECT_EQ(table.err, "");
  const Outcome outcome = run_kiln({"runs", run.scratch.path().string(), "--json"});
  const json runs = json::parse(outcome.out);
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0]["name"], "run");
  EXPECT_EQ(runs[0]["status"], "finished");
  EXPECT_EQ(runs[0]["process"], nullptr);
  EXPECT_EQ(runs[0]["step"], 20);
  EXPECT_NEAR(runs[0]["perplexity"].get<double>(), std::exp(runs[0]["best_validation_loss"].get<double>()), 1e-6);
  EXPECT_GT(runs[0]["bits_per_byte"].get<double>(), 0);
  EXPECT_GT(runs[0]["accuracy"].get<double>(), 0);
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

/// A folder of three runs: of 2, 4 and 6 steps, the names in another order.
class ThreeRuns : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& [name, steps] :
         {std::pair("middle", "4"), std::pair("a-long-one-of-a-name", "2"), std::pair("short", "6")}) {
      const Outcome outcome = run_kiln(
          {"train", run_.config, "--run", folder() + "/" + name, "--set", std::string("train.steps=") + steps});
      ASSERT_EQ(outcome.code, 0) << outcome.err;
    }
  }
  std::string folder() const { return run_.scratch.path("runs").string(); }

  std::vector<std::string> names(const std::string& order) const {
    std::vector<std::string> result;
    const json runs = json::parse(run_kiln({"runs", folder(), "--sort", order, "--json"}).out);
    for (const json& run : runs) result.push_back(run["name"]);
    return result;
  }

  SmallRun run_;
};

TEST_F(ThreeRuns, AreSortedAsAskedFor) {
  EXPECT_THAT(names("steps"), ::testing::ElementsAre("short", "middle", "a-long-one-of-a-name"));
  EXPECT_THAT(names("name"), ::testing::ElementsAre("a-long-one-of-a-name", "middle", "short"));
  EXPECT_THAT(names("loss"), ::testing::ElementsAre("short", "middle", "a-long-one-of-a-name"));
  EXPECT_EQ(names("bits_per_byte"), names("loss"));
  EXPECT_EQ(run_kiln({"runs", folder(), "--sort", "beauty"}).code, 2);
}

TEST_F(ThreeRuns, FitIntoANarrowTerminal) {
  for (const int width : {40, 60, 80, 200}) {
    testing::OnTerminal terminal(testing::kiln({"runs", folder()}), width);
    std::istringstream lines(terminal.all());
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
      if (line.ends_with('\r')) line.pop_back();
      EXPECT_LE(std::ssize(line), width + (line.find("…") != std::string::npos ? 2 : 0)) << line;
    }
    EXPECT_EQ(count, 4);
    EXPECT_THAT(terminal.all(), HasSubstr("finished"));
    EXPECT_EQ(terminal.all().find("perplexity") != std::string::npos, width == 200);
  }
}

TEST_F(ThreeRuns, AreRemovedWhereThatIsConfirmed) {
  const std::string name = folder() + "/middle";
  const Outcome unasked = run_kiln({"runs", "rm", name});
  EXPECT_EQ(unasked.code, 2);
  EXPECT_THAT(unasked.err, HasSubstr("add --yes"));
  {
    testing::OnTerminal terminal(testing::kiln({"runs", "rm", name}));
    ASSERT_TRUE(terminal.wait_for("finished, step 4/4, "));
    ASSERT_TRUE(terminal.wait_for("remove it? [y/N]"));
    terminal.type("n\n");
    ASSERT_TRUE(terminal.wait_for("not removed"));
  }
  EXPECT_EQ(names("name").size(), 3u);
  const Outcome removed = run_kiln({"runs", "rm", name, folder() + "/short", "--yes"});
  EXPECT_EQ(removed.code, 0) << removed.err;
  EXPECT_THAT(removed.err, HasSubstr("middle: finished, step 4/4, "));
  EXPECT_THAT(names("name"), ::testing::ElementsAre("a-long-one-of-a-name"));
  EXPECT_FALSE(std::filesystem::exists(name));
}

TEST_F(ThreeRuns, GoOnUnderAnotherName) {
  const std::string to = folder() + "/new";
  const Outcome moved = run_kiln({"runs", "mv", folder() + "/middle", to});
  EXPECT_EQ(moved.code, 0) << moved.err;
  EXPECT_THAT(moved.err, HasSubstr("kiln train " + to + " --resume continues it"));
  const Outcome resumed = run_kiln({"train", to, "--resume", "--set", "train.steps=5"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resuming at step 4"));
}

TEST(RunsCommand, AnImportedModelIsCalledSo) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=1"}).code, 0);
  const std::string folder = run.scratch.path("runs/imported").string();
  ASSERT_EQ(run_kiln({"import", run.folder, "--run", folder}).code, 0);
  const json runs = json::parse(run_kiln({"runs", run.scratch.path("runs").string(), "--json"}).out);
  EXPECT_EQ(runs[0]["status"], "imported");
}

TEST(RunsCommand, AStartThatFailsLeavesNoRun) {
  for (const char* fault : {"data.train=[\"nope.txt\"]", "train.batch_size=100000000", "model.n_ctx=100000"}) {
    const SmallRun run;
    EXPECT_EQ(run.train({"--set", fault}).code, 2);
    EXPECT_FALSE(std::filesystem::exists(run.folder)) << fault;
  }
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
