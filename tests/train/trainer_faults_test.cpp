// Runs that meet a full disk, losses of NaN, spikes: what is saved, skipped, said, and given up.
#include "kiln/core/file.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/metrics.h"
#include "kiln/train/training_run.h"

#include <gmock/gmock.h>

#include "support/error_parts.h"
#include "support/file_size_limit.h"
#include "support/log_capture.h"
#include "support/tiny_run.h"
#include "support/training_hooks.h"
#include "support/wait.h"
#include "train/training_parts.h"
#include <chrono>
#include <functional>
#include <limits>
#include <thread>

namespace kiln {
namespace {

using testing::expect_error_with;
using testing::FileSizeLimit;
using testing::LogCapture;
using testing::Scratch;
using testing::tiny_config;
using testing::TrainingHooks;
using testing::wait_until;

/// Trains for 40 steps, saving every 5th, on a disk that is full from the save of step `from` on until `room` says
/// otherwise of what was logged.
RunPaths train_on_a_full_disk(
    const Scratch& scratch, bool async, Index from, const std::function<bool()>& room = [] { return false; }) {
  Config config = tiny_config(scratch);
  config.train.steps = 40;
  config.train.eval_every = 0;
  config.train.keep_checkpoints = 100;
  config.train.async_checkpoint = async;
  TrainingRun run(config, scratch.path("run"));
  std::optional<FileSizeLimit> full;
  TrainingHooks hooks;
  hooks.after_step = [&](Index step) {
    const std::string last = checkpoint_name(from - 5) + "\n";
    if (step == from) {
      EXPECT_TRUE(wait_until([&] { return read_file(run.paths().checkpoints() / "latest") == last; }));
      full.emplace(100);
    }
    if (full) std::this_thread::sleep_for(std::chrono::milliseconds(50));  // a save in the background fails meanwhile
    if (room()) full.reset();
  };
  EXPECT_EQ(run.train(hooks), TrainingEnd::finished);
  return run.paths();
}

TEST(Faults, AFullDiskIsTriedAgainWhenTheNextCheckpointIsDue) {
  for (const bool async : {true, false}) {
    const Scratch scratch;
    const LogCapture log;
    const RunPaths paths =
        train_on_a_full_disk(scratch, async, 10, [&] { return log.text().find("(2 of 3)") != std::string::npos; });
    EXPECT_THAT(
        log.text(),
        ::testing::HasSubstr("cannot be written: File too large; training continues, and kiln tries again at the next "
                             "checkpoint (1 of 3)"));
    EXPECT_THAT(log.text(), ::testing::HasSubstr("kiln keeps the rows in memory until there is space"));
    std::vector<std::int64_t> steps;
    for (const SavedCheckpoint& saved : list_checkpoints(paths.checkpoints())) steps.push_back(saved.step);
    EXPECT_THAT(steps, ::testing::ElementsAre(0, 5, 20, 25, 30, 35, 40)) << async;
    const std::vector<MetricsRow> rows = read_metrics(paths.metrics());
    ASSERT_EQ(rows.size(), 40u);  // none was lost
    for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].step, static_cast<std::int64_t>(i) + 1);
  }
}

TEST(Faults, TheThirdFailedSaveInARowEndsARunWhoseOldCheckpointIsWhole) {
  for (const bool async : {true, false}) {
    const Scratch scratch;
    const LogCapture log;
    expect_error_with(ExitCode::io, {"cannot be written: File too large"},
                      [&] { train_on_a_full_disk(scratch, async, 10); });
    EXPECT_THAT(log.text(), ::testing::HasSubstr("(2 of 3)"));
    const std::filesystem::path checkpoints = RunPaths{scratch.path("run")}.checkpoints();
    EXPECT_EQ(checkpoint_to_resume(checkpoints)->filename(), checkpoint_name(5));
    EXPECT_EQ(read_file(checkpoints / "latest"), "step-00000005\n");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(checkpoints), {}), 3);  // steps 0 and 5, latest
  }
}

TEST(Faults, TheBestThatCouldNotBeSavedGivesWayToTheNext) {
  for (const bool async : {true, false}) {
    const Scratch scratch;
    const LogCapture log;
    Config config = tiny_config(scratch);
    config.train.steps = 10;
    config.train.eval_every = 5;
    config.train.async_checkpoint = async;
    TrainingRun run(config, scratch.path("run"));
    std::optional<FileSizeLimit> full;
    TrainingHooks hooks;
    hooks.after_step = [&](Index step) {
      if (step == 4) full.emplace(100);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // a save in the background fails meanwhile
      if (log.text().find("(1 of 3)") != std::string::npos) full.reset();
      if (step == 9) run.parts().weights->masters().all().setZero();  // worse than what step 5 had
    };
    ASSERT_EQ(run.train(hooks), TrainingEnd::finished);
    EXPECT_THAT(log.text(), ::testing::HasSubstr("(1 of 3)"));
    const std::vector<MetricsRow> rows = read_metrics(run.paths().metrics());
    ASSERT_EQ(rows.size(), 10u);
    EXPECT_LT(*rows[4].validation_loss, *rows[9].validation_loss);
    const auto best = best_checkpoint(run.paths().checkpoints());
    ASSERT_TRUE(best) << async;
    EXPECT_EQ(best->filename(), checkpoint_name(10));
    EXPECT_EQ(read_trainer_state(*best).best_step, 10);
    EXPECT_EQ(read_trainer_state(*best).best_loss, rows[9].validation_loss);
  }
}

TEST(Faults, AFullDiskAtTheLastStepIsAFailure) {
  const Scratch scratch;
  expect_error_with(ExitCode::io, {"File too large"}, [&] { train_on_a_full_disk(scratch, true, 40); });
}

TEST(Faults, ManyBadStepsInARowDiverge) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.train.max_bad_steps = 3;
  TrainingRun run(config, scratch.path("run"));
  run.parts().weights->masters().all().setConstant(std::numeric_limits<float>::quiet_NaN());
  try {
    run.train();
    FAIL() << "a run of NaN went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::diverged);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("3 steps in a row"));
  }
  EXPECT_EQ(run.state().bad_steps, 3);
}

TEST(Faults, ARunWhoseLastLossIsNotFiniteDiverges) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.train.steps = 6;
  config.train.checkpoint_every = 1;
  TrainingRun run(config, scratch.path("run"));
  TrainingHooks hooks;
  hooks.after_step = [&](Index step) {
    if (step == 4) run.parts().weights->masters().all().setConstant(std::numeric_limits<float>::quiet_NaN());
  };
  expect_error_with(ExitCode::diverged,
                    {"diverged: the loss of the last evaluation is not finite; a resume continues from step 3"},
                    [&] { run.train(hooks); });
  EXPECT_EQ(latest_checkpoint(run.paths().checkpoints())->filename(), checkpoint_name(3));  // the next one has the NaN
}

TEST(Faults, WeightsThatMayBeRuinedAreNotSaved) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.train.eval_every = 0;
  config.train.checkpoint_every = 1;
  config.train.async_checkpoint = false;
  TrainingRun run(config, scratch.path("run"));
  TrainingHooks hooks;
  std::string latest;
  hooks.after_step = [&](Index step) {
    if (step == 3) run.parts().weights->masters().all().setConstant(std::numeric_limits<float>::quiet_NaN());
    if (step == 6) latest = read_file(run.paths().checkpoints() / "latest");
    hooks.stop = step == 6;
  };
  EXPECT_EQ(run.train(hooks), TrainingEnd::stopped);
  EXPECT_EQ(run.state().bad_steps, 3);
  EXPECT_EQ(latest, checkpoint_name(3) + "\n") << "steps 4 and 5 were bad";
}

/// Trains 40 steps, saving every 5th, of which the 31st meets weights that were spoilt, and are as they were
/// afterwards.
RunPaths train_with_a_spike(const Scratch& scratch, bool skip, const std::string& name, Index stop_at = -1,
                            bool resume = false) {
  Config config = tiny_config(scratch);
  config.train.steps = 40;
  config.train.eval_every = 0;
  config.train.skip_spikes = skip;
  TrainingRun run(config, scratch.path(name), {.mode = resume ? OpenMode::resume : OpenMode::fresh});
  ParameterBuffer<float>& weights = run.parts().weights->masters();
  Eigen::VectorXf good;
  TrainingHooks hooks;
  hooks.after_step = [&](Index step) {
    if (step == 30) {
      good = weights.all();
      weights.all() *= 8;
    } else if (step == 31 && skip) {
      weights.all() = good;
    }
    hooks.stop = step == stop_at;
  };
  EXPECT_EQ(run.train(hooks) == TrainingEnd::stopped, stop_at >= 0);
  return run.paths();
}

TEST(Faults, ALossSpikeIsWarnedOf) {
  const Scratch scratch;
  const LogCapture log;
  const RunPaths paths = train_with_a_spike(scratch, false, "run");
  EXPECT_THAT(log.text(),
              ::testing::ContainsRegex("warning: step 31: a spike: loss [0-9.]+, [0-9.]+ standard deviations "
                                       "above the recent mean of [0-9.]+"));
  EXPECT_THAT(log.text(), ::testing::Not(::testing::HasSubstr("step 30: a spike")));
  EXPECT_EQ(read_trainer_state(*latest_checkpoint(paths.checkpoints())).bad_steps, 0);  // it was taken all the same
}

std::string weights_of(const RunPaths& paths) {
  return read_file(*latest_checkpoint(paths.checkpoints()) / "model.safetensors");
}

TEST(Faults, ALossSpikeIsSkippedWhereTheConfigSaysSoAlsoAfterAResume) {
  const Scratch scratch;
  const LogCapture log;
  const RunPaths whole = train_with_a_spike(scratch, true, "whole");
  EXPECT_THAT(log.text(), ::testing::HasSubstr("the update is skipped (1 in a row)"));
  const TrainerState state = read_trainer_state(*latest_checkpoint(whole.checkpoints()));
  EXPECT_EQ(state.bad_steps, 1);
  EXPECT_EQ(state.bad_steps_in_a_row, 0);
  train_with_a_spike(scratch, true, "parts", 27);  // what tells a spike is in the checkpoint
  const RunPaths parts = train_with_a_spike(scratch, true, "parts", -1, true);
  EXPECT_EQ(weights_of(whole), weights_of(parts));
  EXPECT_EQ(read_trainer_state(*latest_checkpoint(parts.checkpoints())).bad_steps, 1);
}

}  // namespace
}  // namespace kiln
