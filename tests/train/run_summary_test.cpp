// What is told of runs: of those that ended in every way there is, and of damaged ones.
#include "kiln/train/run_summary.h"

#include "kiln/core/file.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/train/training_run.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/tiny_run.h"
#include "support/training_hooks.h"
#include <chrono>
#include <cmath>

namespace kiln {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Scratch;
using testing::tiny_config;

/// Trains as kiln train does, as far as the folder shows; stops after `stop_after` steps.
RunPaths train_until(const Scratch& scratch, const Config& config, const std::string& name, Index stop_after = -1) {
  TrainingRun run(config, scratch.path(name));
  testing::TrainingHooks hooks;
  testing::stop_after(hooks, stop_after);
  run.train(hooks);
  return run.paths();
}

TEST(RunSummary, OfAFinishedRun) {
  const Scratch scratch;
  const Config config = tiny_config(scratch);
  const RunPaths paths = train_until(scratch, config, "runs/tales");
  const RunSummary run = summarise_run(scratch.path("runs/tales/"));
  EXPECT_EQ(run.name, "tales");
  EXPECT_EQ(run.status, RunStatus::finished);
  EXPECT_FALSE(run.process);
  EXPECT_EQ(run.parameters, LanguageModel<float>(config.model, 256).layout.count());
  EXPECT_EQ(run.step, 20);
  EXPECT_EQ(run.total_steps, 20);
  EXPECT_EQ(run.tokens, 20 * 4 * 16);
  EXPECT_GT(run.seconds, 0);
  EXPECT_EQ(run.best_loss, read_trainer_state(*latest_checkpoint(paths.checkpoints())).best_loss);
  EXPECT_NEAR(*run.perplexity, std::exp(*run.best_loss), 1e-9);
  EXPECT_GT(*run.bits_per_byte, 0);
  EXPECT_GT(*run.accuracy, 0);
  EXPECT_THAT(run.problems, IsEmpty());
}

TEST(RunSummary, KnowsTheStepsOfEpochsAndOfATime) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.train.steps.reset();
  config.train.epochs = 0.25;
  train_until(scratch, config, "epochs");
  const RunSummary epochs = summarise_run(scratch.path("epochs"));
  EXPECT_EQ(epochs.status, RunStatus::finished);
  EXPECT_EQ(epochs.total_steps, epochs.step);
  config.train.epochs.reset();
  config.train.time_budget = Duration{0.5};
  train_until(scratch, config, "clock");
  const RunSummary clock = summarise_run(scratch.path("clock"));
  EXPECT_EQ(clock.status, RunStatus::finished);
  EXPECT_EQ(clock.total_steps, clock.step);
}

TEST(RunSummary, OfAnInterruptedOneAndOneThatStoppedEarly) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  train_until(scratch, config, "interrupted", 7);
  const RunSummary interrupted = summarise_run(scratch.path("interrupted"));
  EXPECT_EQ(interrupted.status, RunStatus::interrupted);
  EXPECT_EQ(interrupted.step, 7);
  EXPECT_EQ(interrupted.total_steps, 20);
  config.train.steps = 400;
  config.train.eval_every = 1;
  config.train.early_stopping = 2;
  config.optimizer.learning_rate = 0.5;  // too high to improve for long
  train_until(scratch, config, "early");
  const RunSummary early = summarise_run(scratch.path("early"));
  EXPECT_EQ(early.status, RunStatus::finished);
  EXPECT_LT(early.step, 400);
}

TEST(RunSummary, OfARunAtWorkNamesItsProcess) {
  const Scratch scratch;
  const RunDirectory run(scratch.path("run"), OpenMode::fresh);
  const RunSummary summary = summarise_run(scratch.path("run"));
  EXPECT_EQ(summary.status, RunStatus::running);
  EXPECT_EQ(summary.process, ::getpid());
}

TEST(RunSummary, OfOneThatCameToNothingAndOneWhoseLogEndsInAnError) {
  const Scratch scratch;
  scratch.write("empty/lock", "1\n");
  EXPECT_EQ(summarise_run(scratch.path("empty")).status, RunStatus::empty);
  train_until(scratch, tiny_config(scratch), "failed", 7);
  scratch.write("failed/train.log",
                "2026-11-25 10:00:00 info: step 7\n2026-11-25 10:00:01 error: diverged: 3 steps\n  in a row\n");
  const RunSummary failed = summarise_run(scratch.path("failed"));
  EXPECT_EQ(failed.status, RunStatus::failed);
  EXPECT_THAT(failed.problems, ElementsAre("diverged: 3 steps\n  in a row"));
  scratch.write("failed/train.log", "2026-11-25 10:00:01 error: diverged\n2026-11-25 10:05:00 info: resuming\n");
  EXPECT_EQ(summarise_run(scratch.path("failed")).status, RunStatus::interrupted);
}

TEST(RunSummary, WhatIsDamagedIsNamedAndTheRestIsTold) {
  const Scratch scratch;
  const RunPaths paths = train_until(scratch, tiny_config(scratch), "run");
  fs::resize_file(paths.checkpoints() / checkpoint_name(20) / "model.safetensors", 100);
  scratch.write("run/metrics.jsonl", "{\"step\": 1}\nnonsense\n");
  scratch.write("run/config.json", "{");
  const RunSummary run = summarise_run(scratch.path("run"));
  EXPECT_EQ(run.status, RunStatus::interrupted);
  EXPECT_EQ(run.step, 18);  // of the checkpoint before, which is whole
  EXPECT_TRUE(run.parameters);
  ASSERT_EQ(run.problems.size(), 3u);
  EXPECT_THAT(run.problems[0], HasSubstr("config.json:1:2: not valid JSON"));
  EXPECT_THAT(run.problems[1], HasSubstr("model.safetensors: has 100 bytes, the manifest says"));
  EXPECT_THAT(run.problems[2], HasSubstr("metrics.jsonl:2"));
}

TEST(RunSummary, RunsAreListedByTheirLastChange) {
  const Scratch scratch;
  for (const char* name : {"a", "b", "c"}) {
    const std::string folder = std::string("runs/") + name;
    scratch.write(folder + "/lock", "1\n");
    const auto when = fs::file_time_type::clock::now() - std::chrono::hours(name[0] == 'b'   ? 1
                                                                            : name[0] == 'a' ? 5
                                                                                             : 9);
    for (const std::string& path : {folder + "/lock", folder}) fs::last_write_time(scratch.path(path), when);
  }
  scratch.write("runs/notes.txt", "no run");
  scratch.write("runs/thesis/chapter.tex", "no run");
  std::vector<std::string> names;
  for (const RunSummary& run : list_runs(scratch.path("runs"))) names.push_back(run.name);
  EXPECT_THAT(names, ElementsAre("b", "a", "c"));
  ASSERT_EQ(list_runs(scratch.path("runs/a")).size(), 1u);
  EXPECT_THAT(list_runs(scratch.path("runs/thesis")), IsEmpty());
  testing::expect_error_with(ExitCode::usage, {"none: there is no such folder"},
                             [&] { list_runs(scratch.path("none")); });
}

}  // namespace
}  // namespace kiln
