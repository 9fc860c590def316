// Runs removed and moved: what is kiln's goes, what is others' stays, what is in use is refused.
#include "kiln/run/run_changes.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/run/run_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/tiny_run.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using testing::expect_error_with;
using ::testing::IsEmpty;
using testing::Scratch;

/// A run directory that a process has left.
fs::path leave_run(const Scratch& scratch, const std::string& name) {
  scratch.write(name + "/lock", "1\n");
  scratch.write(name + "/config.json", "{}");
  scratch.write(name + "/tokens/train-0123.bin", "tokens");
  scratch.write(name + "/tokens/lock", "1\n");
  scratch.write(name + "/checkpoints/step-00000010/kiln.json", "{}");
  scratch.write(name + "/checkpoints/latest", "step-00000010\n");
  return scratch.path(name);
}

TEST(RunChanges, ARunIsRemovedWhole) {
  const Scratch scratch;
  const fs::path run = leave_run(scratch, "run");
  EXPECT_EQ(size_of_run(run), 2 + 2 + 6 + 2 + 2 + 14u);
  EXPECT_THAT(remove_run(run), IsEmpty());
  EXPECT_FALSE(fs::exists(run));
}

TEST(RunChanges, WhatIsOthersStays) {
  const Scratch scratch;
  const fs::path run = leave_run(scratch, "run");
  scratch.write("run/notes.txt", "mine");
  scratch.write("run/tokens/mine.bin", "mine");
  scratch.write("elsewhere/model.safetensors", "mine");
  fs::create_symlink(scratch.path("elsewhere"), run / "link");
  EXPECT_THAT(remove_run(run / ""), ElementsAre(run / "link", run / "notes.txt", run / "tokens"));
  EXPECT_EQ(read_file(run / "notes.txt"), "mine");
  EXPECT_TRUE(fs::exists(run / "tokens/mine.bin"));
  EXPECT_FALSE(fs::exists(run / "tokens/train-0123.bin"));
  EXPECT_TRUE(fs::exists(scratch.path("elsewhere/model.safetensors")));
}

TEST(RunChanges, OnlyRunsThatNoProcessUsesAreChanged) {
  const Scratch scratch;
  const fs::path run = leave_run(scratch, "run");
  scratch.write("thesis/chapter.tex", "text");
  fs::create_symlink(run, scratch.path("link"));
  const RunDirectory in_use(scratch.path("in_use"), OpenMode::fresh);
  const auto expect_refused = [&](const char* name, const char* why) {
    expect_error_with(ExitCode::usage, {why}, [&] { remove_run(scratch.path(name)); });
    expect_error_with(ExitCode::usage, {why}, [&] { move_run(scratch.path(name), scratch.path("to")); });
  };
  expect_refused("thesis", "is not a run directory");
  expect_refused("none", "is not a run directory");
  expect_refused("link", "is a link to");
  expect_refused("link/", "is a link to");
  expect_refused("in_use", "in use by process");
  EXPECT_TRUE(fs::exists(run / "config.json"));
}

TEST(RunChanges, WhatLinksLeadIntoIsLeftAlone) {
  const Scratch scratch;
  const fs::path run = leave_run(scratch, "runs/run"), other = leave_run(scratch, "runs/other");
  fs::create_symlink(run / "tokens/train-0123.bin", other / "tokens/train-0456.bin");
  EXPECT_THAT(uses_of_run(run).links, ElementsAre(other / "tokens/train-0456.bin"));
  for (const auto& change : {std::function<void()>([&] { remove_run(run); }),
                             std::function<void()>([&] { move_run(run, scratch.path("to")); })})
    expect_error_with(ExitCode::usage, {"train-0456.bin points into it"}, change);
  EXPECT_TRUE(fs::exists(run / "config.json"));
}

TEST(RunChanges, RunsThatBeganWithItAreNamed) {
  const Scratch scratch;
  const fs::path run = leave_run(scratch, "runs/run"), other = leave_run(scratch, "runs/other");
  Config config = testing::tiny_config(scratch);
  config.init_from = run.string();
  scratch.write("runs/other/config.json", format_json(config_to_json(config)));
  EXPECT_THAT(uses_of_run(run).configs, ElementsAre(other / "config.json"));
  EXPECT_THAT(uses_of_run(run).links, IsEmpty());
}

TEST(RunChanges, ARunMovesToWhereNothingIs) {
  const Scratch scratch;
  const fs::path run = leave_run(scratch, "run"), to = scratch.path("runs/new");
  expect_error_with(ExitCode::usage, {"there is no folder"}, [&] { move_run(run, to); });
  fs::create_directories(scratch.path("runs"));
  expect_error_with(ExitCode::usage, {"runs: exists already", "runs/run"},
                    [&] { move_run(run, scratch.path("runs")); });
  expect_error_with(ExitCode::usage, {"lies in"}, [&] { move_run(run, run / "checkpoints/x"); });
  move_run(run / "", to);
  EXPECT_FALSE(fs::exists(run));
  EXPECT_EQ(read_file(to / "checkpoints/latest"), "step-00000010\n");
}

}  // namespace
}  // namespace kiln
