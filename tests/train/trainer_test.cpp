// Whole runs: what they leave behind, and that going on from a checkpoint changes nothing.
#include "kiln/train/trainer.h"

#include "kiln/core/file.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/metrics.h"

#include <gmock/gmock.h>

#include "support/tiny_run.h"
#include <cmath>
#include <csignal>
#include <limits>

namespace kiln {
namespace {

using testing::Scratch;
using testing::tiny_config;

/// Trains in a directory of that name and returns its paths; `steps` of the config's, where they are fewer, interrupt.
RunPaths train(const Scratch& scratch, const Config& config, const std::string& name, bool resume = false) {
  const RunDirectory run(scratch.path(name), resume ? OpenMode::resume : OpenMode::fresh);
  const std::unique_ptr<Preparation> p = prepare(config, run.paths(), resume);
  EXPECT_EQ(Trainer(*p, run.paths(), true).run(), 0);
  return run.paths();
}

/// Trains until a signal, sent after `steps` steps, has been heeded.
RunPaths train_interrupted(const Scratch& scratch, const Config& config, const std::string& name, Index steps,
                           int signal) {
  const RunDirectory run(scratch.path(name), OpenMode::fresh);
  const std::unique_ptr<Preparation> p = prepare(config, run.paths(), false);
  p->config.train.sample_every = 1;
  const auto interrupt = [&](const Preparation& at) {
    if (at.state.step == steps) std::raise(signal);
    return std::string();
  };
  EXPECT_EQ(Trainer(*p, run.paths(), true, interrupt).run(), 128 + signal);
  return run.paths();
}

std::string bytes(const RunPaths& paths, std::int64_t step, const char* file) {
  return read_file(paths.checkpoints() / checkpoint_name(step) / file);
}

TEST(Trainer, LeavesAMetricsRowForEveryStepAndTheCheckpointsItPromises) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.train.keep_checkpoints = 1;
  const RunPaths paths = train(scratch, config, "run");
  const std::vector<MetricsRow> rows = read_metrics(paths.metrics());
  ASSERT_EQ(rows.size(), 20u);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].step, static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(rows[i].tokens, rows[i].step * 4 * 16);
    EXPECT_TRUE(rows[i].loss && rows[i].grad_norm && rows[i].learning_rate && rows[i].tokens_per_second);
    EXPECT_EQ(rows[i].validation_loss.has_value(), rows[i].step % 6 == 0 || rows[i].step == 20) << rows[i].step;
  }
  EXPECT_LT(*rows.back().loss, *rows.front().loss - 1);
  const auto saved = list_checkpoints(paths.checkpoints());
  ASSERT_GE(saved.size(), 2u);
  EXPECT_EQ(saved.front().step, 0);
  EXPECT_EQ(saved.back().step, 20);
  EXPECT_EQ(*latest_checkpoint(paths.checkpoints()), saved.back().folder);
  const TrainerState state = read_trainer_state(saved.back().folder);
  EXPECT_EQ(best_checkpoint(paths.checkpoints())->filename(), checkpoint_name(state.best_step));
}

TEST(Trainer, ResumingGivesTheSameBytesAsNeverHavingStopped) {
  constexpr std::pair<OptimizerKind, Precision> kKinds[] = {{OptimizerKind::adamw, Precision::fp32},
                                                            {OptimizerKind::sgd, Precision::fp32},
                                                            {OptimizerKind::muon, Precision::fp32},
                                                            {OptimizerKind::muon, Precision::bf16}};
  for (const auto& [kind, precision] : kKinds) {
    const Scratch scratch;
    Config config = tiny_config(scratch);
    config.optimizer.type = kind;
    config.train.precision = precision;
    config.optimizer.momentum = kind == OptimizerKind::sgd ? 0.9 : 0.0;
    const RunPaths whole = train(scratch, config, "whole");
    const RunPaths parts = train_interrupted(scratch, config, "parts", 7, SIGTERM);
    EXPECT_EQ(latest_checkpoint(parts.checkpoints())->filename(), checkpoint_name(7));
    train(scratch, config, "parts", true);
    EXPECT_EQ(bytes(whole, 20, "model.safetensors"), bytes(parts, 20, "model.safetensors"));
    EXPECT_EQ(bytes(whole, 20, "optimizer.safetensors"), bytes(parts, 20, "optimizer.safetensors"));
    const auto rows = read_metrics(whole.metrics()), resumed = read_metrics(parts.metrics());
    ASSERT_EQ(rows.size(), resumed.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i].loss, resumed[i].loss);
      EXPECT_EQ(rows[i].validation_loss, resumed[i].validation_loss);
      EXPECT_GE(resumed[i].seconds, i > 0 ? resumed[i - 1].seconds : 0.0);
    }
  }
}

TEST(Trainer, TheSameRunTwiceGivesTheSameBytesAndAnotherSeedOthers) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  const RunPaths first = train(scratch, config, "first"), second = train(scratch, config, "second");
  EXPECT_EQ(bytes(first, 20, "model.safetensors"), bytes(second, 20, "model.safetensors"));
  config.seed = 7;
  const RunPaths other = train(scratch, config, "other");
  EXPECT_NE(bytes(first, 20, "model.safetensors"), bytes(other, 20, "model.safetensors"));
}

TEST(Trainer, StopsEarlyWhereTheValidationLossNoLongerImproves) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.train.steps = 400;
  config.train.eval_every = 1;
  config.train.early_stopping = 2;
  config.optimizer.learning_rate = 0.5;  // too high to improve for long
  const RunPaths paths = train(scratch, config, "run");
  const TrainerState state = read_trainer_state(*latest_checkpoint(paths.checkpoints()));
  EXPECT_LT(state.step, 400);
  EXPECT_EQ(state.evaluations_since_best, 2);
  EXPECT_EQ(state.step, state.best_step + 2);

  // Taken up again it is finished, and stays so until it is allowed to go on.
  const RunDirectory run(scratch.path("run"), OpenMode::resume);
  EXPECT_TRUE(prepare(config, run.paths(), true)->is_finished());
  config.train.early_stopping = 3;
  EXPECT_FALSE(prepare(config, run.paths(), true)->is_finished());
}

TEST(Trainer, EpochsCountPassesOverTheTrainingWindows) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.train.steps.reset();
  config.train.epochs = 0.5;
  const RunDirectory run(scratch.path("run"), OpenMode::fresh);
  const std::unique_ptr<Preparation> p = prepare(config, run.paths(), false);
  const double windows = static_cast<double>(p->batcher->windows_per_epoch());
  EXPECT_EQ(p->total_steps, static_cast<Index>(std::ceil(windows / 2 / 4)));
}

TEST(Faults, Row15ManyBadStepsInARowDiverge) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.train.max_bad_steps = 3;
  const RunDirectory run(scratch.path("run"), OpenMode::fresh);
  const std::unique_ptr<Preparation> p = prepare(config, run.paths(), false);
  p->weights->all().setConstant(std::numeric_limits<float>::quiet_NaN());
  Trainer trainer(*p, run.paths(), true);
  try {
    trainer.run();
    FAIL() << "a run of NaN went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::diverged);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("3 steps in a row"));
  }
  EXPECT_EQ(p->state.bad_steps, 3);
}

TEST(Trainer, RefusesToResumeAnotherModelAndSaysWhatDiffers) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  train(scratch, config, "run");
  config.model.n_layers = 2;
  config.optimizer.learning_rate = 1e-3;  // may change
  const RunDirectory run(scratch.path("run"), OpenMode::resume);
  try {
    prepare(config, run.paths(), true);
    FAIL() << "another model was resumed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("/model/n_layers: 1 -> 2"));
    EXPECT_THAT(error.what(), ::testing::Not(::testing::HasSubstr("learning_rate")));
  }
}

}  // namespace
}  // namespace kiln
