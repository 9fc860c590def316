// Whole runs: what they leave behind, and that going on from a checkpoint changes nothing.
#include "kiln/core/file.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/metrics.h"
#include "kiln/train/training_run.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "support/tiny_run.h"
#include "support/training_hooks.h"
#include "train/training_parts.h"
#include <cmath>

namespace kiln {
namespace {

using testing::Scratch;
using testing::stop_after;
using testing::tiny_config;
using testing::TrainingHooks;

OpenMode mode(bool resume) { return resume ? OpenMode::resume : OpenMode::fresh; }

/// Trains in a directory of that name, to the end, and returns its paths.
RunPaths train(const Scratch& scratch, const Config& config, const std::string& name, bool resume = false) {
  TrainingRun run(config, scratch.path(name), {.mode = mode(resume)});
  EXPECT_NE(run.train(), TrainingEnd::stopped);
  return run.paths();
}

/// Trains until it is stopped after `steps` steps.
RunPaths train_interrupted(const Scratch& scratch, const Config& config, const std::string& name, Index steps) {
  TrainingRun run(config, scratch.path(name));
  TrainingHooks hooks;
  stop_after(hooks, steps);
  EXPECT_EQ(run.train(hooks), TrainingEnd::stopped);
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
    const RunPaths parts = train_interrupted(scratch, config, "parts", 7);
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

/// The state of a checkpoint but for what the clock says.
TrainerState timeless_state(const RunPaths& paths, std::int64_t step) {
  TrainerState state = read_trainer_state(paths.checkpoints() / checkpoint_name(step));
  state.seconds = state.reserve_seconds = 0;
  return state;
}

TEST(Trainer, AnEvaluationThatIsStoppedIsMadeByTheResume) {
  for (const int which : {1, 2, 4}) {  // after step 6, 12 and 20, the last
    const Scratch scratch;
    const Config config = tiny_config(scratch);
    const RunPaths whole = train(scratch, config, "whole");
    const std::int64_t stopped = which == 4 ? 20 : 6 * which;
    RunPaths parts;
    {
      TrainingRun run(config, scratch.path("parts"));
      parts = run.paths();
      TrainingHooks hooks;
      hooks.before_work = [&, left = which](TrainingWork work, Index) mutable {
        if (work == TrainingWork::evaluation && --left == 0) hooks.stop = true;
      };
      EXPECT_EQ(run.train(hooks), TrainingEnd::stopped);
    }
    EXPECT_TRUE(timeless_state(parts, stopped).evaluation_pending);
    EXPECT_FALSE(read_metrics(parts.metrics()).back().validation_loss);
    train(scratch, config, "parts", true);
    for (const char* file : {"model.safetensors", "optimizer.safetensors"})
      EXPECT_EQ(bytes(whole, 20, file), bytes(parts, 20, file));
    EXPECT_EQ(to_json(timeless_state(whole, 20)), to_json(timeless_state(parts, 20)));
    for (const char* pointer : {"latest", "best"})
      EXPECT_EQ(read_file(whole.checkpoints() / pointer), read_file(parts.checkpoints() / pointer));
    auto rows = read_metrics(whole.metrics()), resumed = read_metrics(parts.metrics());
    ASSERT_EQ(rows.size(), resumed.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (MetricsRow* row : {&rows[i], &resumed[i]}) {
        row->seconds = 0;
        row->tokens_per_second = 0;
      }
      EXPECT_EQ(to_json(rows[i]), to_json(resumed[i]));
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

TEST(Trainer, CheckpointsWrittenInTheBackgroundAreThoseOfATrainingThatWaits) {
  for (const OptimizerKind kind : {OptimizerKind::adamw, OptimizerKind::sgd}) {  // two moments, none
    const Scratch scratch;
    Config config = tiny_config(scratch);
    config.optimizer.type = kind;
    config.train.keep_checkpoints = 100;
    ASSERT_TRUE(config.train.copies_checkpoints());
    const RunPaths background = train(scratch, config, "background");
    config.train.async_checkpoint = false;
    const RunPaths waiting = train(scratch, config, "waiting");
    const std::vector<SavedCheckpoint> saved = list_checkpoints(waiting.checkpoints());
    EXPECT_GE(saved.size(), 5u);
    ASSERT_EQ(saved.size(), list_checkpoints(background.checkpoints()).size());
    for (const SavedCheckpoint& one : saved) {
      verify_checkpoint(background.checkpoints() / checkpoint_name(one.step));
      for (const char* file : {"model.safetensors", "optimizer.safetensors", "tokenizer.json"})
        EXPECT_EQ(bytes(background, one.step, file), bytes(waiting, one.step, file)) << one.step << file;
    }
    for (const char* pointer : {"latest", "best"})
      EXPECT_EQ(read_file(background.checkpoints() / pointer), read_file(waiting.checkpoints() / pointer));
  }
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
  EXPECT_TRUE(TrainingRun(config, scratch.path("run"), {.mode = OpenMode::resume}).is_finished());
  config.train.early_stopping = 3;
  EXPECT_FALSE(TrainingRun(config, scratch.path("run"), {.mode = OpenMode::resume}).is_finished());
}

TEST(Trainer, ASecondCallContinuesTheRun) {
  const Scratch scratch;
  const Config config = tiny_config(scratch);
  const RunPaths whole = train(scratch, config, "whole");
  train(scratch, config, "run");
  TrainingRun run(config, scratch.path("run"), {.mode = OpenMode::overwrite});
  TrainingHooks hooks;
  stop_after(hooks, 7);
  EXPECT_EQ(run.train(hooks), TrainingEnd::stopped);
  EXPECT_EQ(run.train(), TrainingEnd::finished);
  EXPECT_EQ(bytes(whole, 20, "model.safetensors"), bytes(run.paths(), 20, "model.safetensors"));
  EXPECT_EQ(read_metrics(run.paths().metrics()).size(), 20u);
}

TEST(Trainer, EpochsCountPassesOverTheTrainingWindows) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.train.steps.reset();
  config.train.epochs = 0.5;
  TrainingRun run(config, scratch.path("run"));
  const double windows = static_cast<double>(run.parts().data.batches->epoch());
  EXPECT_EQ(run.training_length().total_steps(), std::ceil(windows / 2 / 4));
}

TEST(Trainer, EpochsThatAreWholeStepsGainNoneByRounding) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.data.train = {scratch.write("text.txt", std::string(1601, 'a'))};
  config.data.validation_fraction = 0;
  config.train.eval_every = 0;
  config.train.batch_size.count = 1;
  config.train.steps.reset();
  config.train.epochs = 0.07;  // times 100 windows is 7.000000000000001
  TrainingRun run(config, scratch.path("run"));
  ASSERT_EQ(run.parts().data.batches->epoch(), 100);
  EXPECT_EQ(run.training_length().total_steps(), 7);
}

/// A config whose run is as long as a clock says.
Config config_by_clock(const Scratch& scratch, double seconds) {
  Config config = tiny_config(scratch);
  config.train.steps.reset();
  config.train.time_budget = Duration{seconds};
  config.train.async_checkpoint = false;  // the clocks of these tests are for one thread
  return config;
}

constexpr double kTick = 0.01;
constexpr double kSlack = 20 * kTick;  // what is looked at between two steps, where time passes for that alone

/// Trains by a clock that ticks at every look and on which an evaluation takes `evaluation_seconds`; is interrupted
/// after the step `stop_at`.
RunPaths train_by_clock(const Scratch& scratch, const Config& config, double evaluation_seconds, Index stop_at = -1,
                        bool resume = false) {
  double now = 1000;
  TrainingRun run(config, scratch.path("run"), {.mode = mode(resume), .clock = [&now] { return now += kTick; }});
  TrainingHooks hooks;
  if (stop_at >= 0) stop_after(hooks, stop_at);
  hooks.before_work = [&](TrainingWork work, Index) {
    if (work == TrainingWork::evaluation) now += evaluation_seconds;
  };
  EXPECT_EQ(run.train(hooks) == TrainingEnd::stopped, stop_at >= 0);
  return run.paths();
}

/// Of the last checkpoint's, which was written when all but its writing was done.
TrainerState last_state(const RunPaths& paths) { return read_trainer_state(*latest_checkpoint(paths.checkpoints())); }

TEST(Trainer, EvaluatesAsManyTokensAsTheConfigAllows) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  const auto loss_of = [&](const CountOrAll& eval_tokens, const std::string& name) {
    config.train.eval_tokens = eval_tokens;
    return *read_metrics(train(scratch, config, name).metrics()).back().validation_loss;
  };
  const double whole = loss_of({.all = true}, "whole");
  const double automatic = loss_of({.automatic = true}, "automatic");
  EXPECT_NE(automatic, whole);
  EXPECT_EQ(automatic, loss_of({.count = 7 * config.model.n_ctx}, "seven"));  // of 6 * 4 windows between evaluations
  config.train.eval_tokens = CountOrAll{.count = config.model.n_ctx};
  const RunPaths paths = train(scratch, config, "part");
  TrainingRun run(config, paths.root, {.mode = OpenMode::resume});
  const TrainingParts& p = run.parts();
  const auto evaluator = make_evaluator(config.model, p.model->vocab_size(), Precision::fp32);
  const double part = evaluator->evaluate(p.weights->view(), *p.data.validation).loss;
  EXPECT_NE(part, whole);
  EXPECT_EQ(*read_metrics(paths.metrics()).back().validation_loss, part);
}

TEST(Trainer, ATimeBudgetEndsEvaluatedAndSavedAtTheDeadline) {
  for (const double evaluation_seconds : {0.0, 0.5, 2.0}) {
    for (const std::int64_t eval_every : {1, 6, 1000}) {
      const Scratch scratch;
      Config config = config_by_clock(scratch, 6);
      config.schedule.type = ScheduleKind::linear;
      config.schedule.min_ratio = 0;
      config.train.eval_every = eval_every;
      const RunPaths paths = train_by_clock(scratch, config, evaluation_seconds);
      const TrainerState state = last_state(paths);
      const bool foreseen = eval_every < 1000;  // else the one evaluation was thought to take no longer than steps do
      EXPECT_LE(state.seconds, 6 + kSlack + (foreseen ? 0 : evaluation_seconds));
      EXPECT_GE(state.seconds, 6 - kSlack - evaluation_seconds);  // the rest had no room for one evaluation more
      const std::vector<MetricsRow> rows = read_metrics(paths.metrics());
      EXPECT_EQ(rows.back().step, state.step);
      EXPECT_TRUE(rows.back().validation_loss);
      for (std::size_t i = 3; i < rows.size(); ++i) EXPECT_LE(*rows[i].learning_rate, *rows[i - 1].learning_rate);
    }
  }
}

TEST(Trainer, AFirstStepThatIsSlowDoesNotUseUpATimeBudget) {
  const Scratch scratch;
  Config config = config_by_clock(scratch, 10);
  config.train.batch_size = {.count = 1};  // so that an evaluation is worth many steps
  config.train.eval_every = 1000;
  double now = 0;
  const TrainingRun* at = nullptr;
  const auto clock = [&] { return now += at == nullptr || at->state().step == 0 ? 1 : kTick; };
  TrainingRun run(config, scratch.path("run"), {.clock = clock});
  at = &run;
  EXPECT_EQ(run.train(), TrainingEnd::finished);
  EXPECT_GT(last_state(run.paths()).step, 50);
}

TEST(Trainer, ATimeBudgetEndsAtTheMinimumOfTheSchedule) {
  const Scratch scratch;
  Config config = config_by_clock(scratch, 5);
  config.schedule.min_ratio = 0.2;
  const std::vector<MetricsRow> rows = read_metrics(train_by_clock(scratch, config, 0).metrics());
  EXPECT_NEAR(*rows.back().learning_rate, 0.2 * config.optimizer.learning_rate, 0.01 * config.optimizer.learning_rate);
  EXPECT_NEAR(*rows[rows.size() / 2].learning_rate, 0.6 * config.optimizer.learning_rate,
              0.05 * config.optimizer.learning_rate);
}

TEST(Trainer, ResumedByTheClockARunHasTheTimeThatIsLeft) {
  const Scratch scratch;
  const Config config = config_by_clock(scratch, 6.5);
  const TrainerState stopped = last_state(train_by_clock(scratch, config, 0.1, 40));
  EXPECT_GT(stopped.seconds, 1);
  EXPECT_LT(stopped.seconds, 5);
  const RunPaths paths = train_by_clock(scratch, config, 0.1, -1, true);
  EXPECT_NEAR(last_state(paths).seconds, 6.5, 0.3);
  const std::vector<MetricsRow> rows = read_metrics(paths.metrics());
  EXPECT_LE(*rows[40].learning_rate, *rows[39].learning_rate);
  EXPECT_NEAR(*rows[40].learning_rate, *rows[39].learning_rate, 0.05 * config.optimizer.learning_rate);
}

TEST(Trainer, AUsedUpTimeBudgetIsFinishedUntilItIsRaised) {
  const Scratch scratch;
  Config config = config_by_clock(scratch, 3);
  train_by_clock(scratch, config, 0.1);
  const auto is_finished = [&] {
    return TrainingRun(config, scratch.path("run"), {.mode = OpenMode::resume}).is_finished();
  };
  EXPECT_TRUE(is_finished());
  config.train.time_budget = Duration{4};
  EXPECT_FALSE(is_finished());
  EXPECT_NEAR(last_state(train_by_clock(scratch, config, 0.1, -1, true)).seconds, 4, 0.3);
}

TEST(Trainer, RefusesToResumeAnotherModelAndSaysWhatDiffers) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  train(scratch, config, "run");
  config.model.n_layers = 2;
  config.optimizer.learning_rate = 1e-3;  // may change
  try {
    const TrainingRun run(config, scratch.path("run"), {.mode = OpenMode::resume});
    FAIL() << "another model was resumed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("/model/n_layers: 1 -> 2"));
    EXPECT_THAT(error.what(), ::testing::Not(::testing::HasSubstr("learning_rate")));
  }
}

TEST(Trainer, ATimeBudgetHasRoomForSamples) {
  const Scratch scratch;
  Config config = config_by_clock(scratch, 6);
  config.train.sample_every = 3;
  double now = 0;
  int samples = 0;
  Index last = 0;
  TrainingRun run(config, scratch.path("run"), {.clock = [&now] { return now += kTick; }});
  TrainingHooks hooks;
  hooks.before_work = [&](TrainingWork work, Index step) {
    if (work != TrainingWork::sample) return;
    now += 0.5;
    ++samples;
    last = step;
  };
  EXPECT_EQ(run.train(hooks), TrainingEnd::finished);
  EXPECT_LE(last_state(run.paths()).seconds, 6 + kSlack);
  EXPECT_GT(samples, 3);
  EXPECT_GE(last, run.state().step - 3);
}

}  // namespace
}  // namespace kiln
