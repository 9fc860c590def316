// Names from outside that a terminal would obey: no command prints them raw.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <csignal>
#include <filesystem>
#include <string>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run_kiln;
using testing::Scratch;
using testing::SmallRun;

constexpr const char* kHostile = "a\033[31m\nerror: b";
constexpr const char* kShown = R"(a\u001b[31m\nerror: b)";

/// Neither stream has the name's escape or its line feed.
void expect_tame(const Outcome& outcome) {
  for (const std::string& text : {outcome.out, outcome.err}) {
    EXPECT_THAT(text, Not(HasSubstr("\033[31m")));
    EXPECT_THAT(text, Not(HasSubstr("\nerror: b")));
  }
}

TEST(HostileNames, OfARunAreEscapedInEveryTableMessageAndPlot) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  const fs::path folder = run.scratch.path("runs");
  fs::create_directory(folder);
  const std::string hostile = (folder / kHostile).string();
  fs::rename(run.folder, hostile);
  for (const Outcome& outcome :
       {run_kiln({"runs", folder.string()}), run_kiln({"plot", hostile}),
        run_kiln({"eval", hostile, "--checkpoint", "7"}), run_kiln({"train", run.config, "--run", hostile}),
        run_kiln({"train", run.config, "--run", hostile, "--resume"})}) {
    expect_tame(outcome);
    EXPECT_THAT(outcome.out + outcome.err, HasSubstr(kShown));
  }
  EXPECT_THAT(read_file(hostile + "/loss.svg"), HasSubstr(kShown));
}

TEST(HostileNames, OfFilesAndKeysAreEscaped) {
  const SmallRun run;
  const std::string config = run.scratch.write("keys.json", R"({"mo\u001b[31m\nerror: bdel": 1, "other": 2})");
  const Outcome keys = run_kiln({"train", config});
  EXPECT_EQ(keys.code, 2);
  expect_tame(keys);
  EXPECT_THAT(keys.err, HasSubstr(R"(/mo\u001b[31m\nerror: bdel: unknown key)"));
  EXPECT_THAT(keys.err, HasSubstr("\n")) << "a line for each problem";
  const Outcome missing = run_kiln({"eval", run.scratch.path(kHostile).string()});
  EXPECT_NE(missing.code, 0);
  expect_tame(missing);
  expect_tame(run_kiln({kHostile}));
  expect_tame(run_kiln({"train", std::string("--") + kHostile}));
  expect_tame(run_kiln({"sample", "x", "--top-k", kHostile}));
}

TEST(HostileNames, AMessageGoesOnAfterANulInAName) {
  const Scratch scratch;
  const std::string folder = scratch.path("model").string();
  fs::create_directory(folder);
  scratch.write("model/vocab.json", R"({"\u0000": 0, "a": 0})");
  scratch.write("model/merges.txt", "");
  const Outcome outcome = run_kiln({"tokenizer", "info", "--tokenizer", folder});
  EXPECT_EQ(outcome.code, 3) << outcome.out;
  EXPECT_THAT(outcome.err, HasSubstr(R"(\u0000)"));
}

TEST(HostileNames, TheCommandThatGoesOnCanBePasted) {
  const SmallRun run;
  const std::string hostile = run.scratch.path(kHostile).string();
  std::vector<std::string> command = testing::kiln({"train", run.config, "--run", hostile});
  command.insert(command.end(), SmallRun::kEndless.begin(), SmallRun::kEndless.end());
  testing::Process training(command);
  ASSERT_TRUE(training.wait_for_error_text("step "));
  training.send(SIGTERM);
  const Outcome stopped = training.finish();
  expect_tame(stopped);
  const std::size_t begin = stopped.err.find("  kiln train");
  ASSERT_NE(begin, std::string::npos) << stopped.err;
  std::string line = stopped.err.substr(begin + 6, stopped.err.find('\n', begin) - begin - 6);
  EXPECT_THAT(line, HasSubstr(R"($')"));
  const Outcome resumed = testing::run({"bash", "-c", KILN_BINARY + line + " --set train.steps=1"});
  EXPECT_EQ(resumed.code, 0) << line << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr(kShown));
}

}  // namespace
}  // namespace kiln
