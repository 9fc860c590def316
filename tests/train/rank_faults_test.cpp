// Faults of one of several ranks: losses of NaN, full disks, clocks that jump, evaluations that are stopped.
#include "kiln/core/report.h"

#include <gmock/gmock.h>

#include "support/file_size_limit.h"
#include "support/log_capture.h"
#include "support/rank_training.h"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace kiln {
namespace {

using testing::expect_same_on_all_ranks;
using testing::Launched;
using testing::LogCapture;
using testing::Scratch;
using testing::train_as_ranks;
using testing::Trained;
using testing::TrainingHooks;
using testing::wide_config;

/// The windows of a run, of which a test spoils some.
class SpoiltBatches final : public BatchSource {
 public:
  using Spoil = std::function<void(Index window, std::span<float> weights)>;

  SpoiltBatches(std::unique_ptr<BatchSource> windows, Index n_ctx, Spoil spoil)
      : windows_(std::move(windows)), n_ctx_(n_ctx), spoil_(std::move(spoil)) {}

  std::string_view unit() const override { return windows_->unit(); }
  Index epoch() const override { return windows_->epoch(); }
  Index count(Index first, Index micro_batch) override { return windows_->count(first, micro_batch); }
  Index steps_of_epochs(double epochs) override { return windows_->steps_of_epochs(epochs); }
  void fill(Index first, Index count, Batch& batch) override {
    windows_->fill(first, count, batch);
    for (Index i = 0; i < count; ++i)
      spoil_(first + i,
             std::span(batch.weights).subspan(static_cast<std::size_t>(i * n_ctx_), static_cast<std::size_t>(n_ctx_)));
  }

 private:
  std::unique_ptr<BatchSource> windows_;
  Index n_ctx_;
  Spoil spoil_;
};

constexpr Index kWindows = 8;  // of a step

/// A run of 8 steps of 8 windows, which saves every 2nd and gives the same bytes on any number of ranks.
Config config_of_faults(const Scratch& scratch) {
  Config config = wide_config(scratch);
  config.train.batch_size.count = kWindows;
  config.train.checkpoint_every = 2;
  config.train.keep_checkpoints = 100;
  config.distributed.leaves = 4;
  return config;
}

/// Spoils the last window of each step, a part of the last rank. Steps are counted from 1.
auto spoils(const std::function<void(Index step, std::span<float> weights)>& spoil) {
  return [spoil](TrainingRun& run, TrainingHooks&) {
    std::unique_ptr<BatchSource>& batches = run.parts().data.batches;
    batches = std::make_unique<SpoiltBatches>(std::move(batches), run.config().model.n_ctx,
                                              [spoil](Index window, std::span<float> weights) {
                                                if (window % kWindows == kWindows - 1)
                                                  spoil(window / kWindows + 1, weights);
                                              });
  };
}

/// Gives that window so much weight in some steps that the loss and the gradient are NaN.
auto spoils_steps(const std::function<bool(Index step)>& is_spoilt) {
  return spoils([is_spoilt](Index step, std::span<float> weights) {
    if (is_spoilt(step)) std::ranges::fill(weights, std::numeric_limits<float>::infinity());
  });
}

TEST(Ranks, SkipTogetherAStepThatIsNanOnOneOfThemAsOneProcessDoes) {
  const Scratch scratch;
  Config config = config_of_faults(scratch);
  const Launched spoilt{.prepare = spoils_steps([](Index step) { return step == 3 || step == 5 || step == 6; })};
  const Trained alone = train_as_ranks(config, scratch.path("1"), spoilt);
  EXPECT_EQ(alone.states.front().bad_steps, 3);
  for (const int ranks : {2, 4}) {
    for (const bool shard : {true, false}) {
      SCOPED_TRACE(fmt::format("{} ranks, shard {}", ranks, shard));
      config.distributed.shard = shard;
      const Trained together = train_as_ranks(config, scratch.path(fmt::format("{}{}", ranks, shard)),
                                              {.ranks = ranks, .prepare = spoilt.prepare});
      expect_same_on_all_ranks(together);
      EXPECT_EQ(together.model, alone.model);
      EXPECT_EQ(together.optimizer, alone.optimizer);
      EXPECT_EQ(read_trainer_state(together.checkpoint).bad_steps, 3);
      for (const TrainerState& state : together.states) EXPECT_EQ(state.bad_steps, 3);
      EXPECT_FALSE(together.rows[2].loss);
      EXPECT_TRUE(together.rows[3].loss);
    }
  }
  set_threads(0);
}

TEST(Ranks, DivergeTogetherAfterManyBadStepsOfOneOfThem) {
  for (const bool is_local : {false, true}) {
    SCOPED_TRACE(is_local ? "with local steps" : "with shared steps");
    const Scratch scratch;
    Config config = config_of_faults(scratch);
    config.train.steps = 100;
    config.train.max_bad_steps = 3;
    if (is_local) {
      config.distributed.leaves.reset();
      config.distributed.local_steps = 2;
    }
    const Trained together = train_as_ranks(
        config, scratch.path("run"),
        {.ranks = 2, .fails = ExitCode::diverged, .prepare = spoils_steps([](Index step) { return step > 4; })});
    expect_same_on_all_ranks(together);
    for (const TrainerState& state : together.states) {
      EXPECT_EQ(state.step, is_local ? 8 : 7);  // with local steps, when they have come together
      EXPECT_EQ(state.bad_steps_in_a_row, is_local ? 4 : 3);
    }
    EXPECT_EQ(together.checkpoint.filename(), checkpoint_name(2));  // the weights of step 4 may be bad
    const Trained resumed = train_as_ranks(config, scratch.path("run"),
                                           {.ranks = 2, .mode = OpenMode::resume, .stop = 8, .stopping_rank = 1});
    EXPECT_EQ(resumed.rows.size(), 8u);
  }
  set_threads(0);
}

TEST(Ranks, GoOnTogetherIfOneOfThemSkipsALocalStep) {
  const Scratch scratch;
  Config config = config_of_faults(scratch);
  config.distributed.leaves.reset();
  config.distributed.local_steps = 2;
  const Launched spoilt{.ranks = 2, .prepare = spoils_steps([](Index step) { return step == 4; })};
  const Trained together = train_as_ranks(config, scratch.path("run"), spoilt);
  expect_same_on_all_ranks(together);
  EXPECT_EQ(together.states[0].bad_steps, 0);
  EXPECT_EQ(together.states[1].bad_steps, 1);
  EXPECT_EQ(together.checkpoint.filename(), checkpoint_name(8));
  set_threads(0);
}

/// What others have sent may still arrive while the rank that fails gives its memory back.
TEST(Ranks, EndTogetherWhenOneOfThemCannotReadItsBatch) {
  const Scratch scratch;
  const Config config = config_of_faults(scratch);
  const auto fails = spoils([](Index step, std::span<float>) { check_io(step != 4, "the disk is gone"); });
  testing::expect_error_with(ExitCode::io, {"the disk is gone"},
                             [&] { train_as_ranks(config, scratch.path("run"), {.ranks = 4, .prepare = fails}); });
  EXPECT_EQ(checkpoint_to_resume(RunPaths{scratch.path("run")}.checkpoints())->filename(), checkpoint_name(2));
  const Trained resumed = train_as_ranks(config, scratch.path("run"), {.ranks = 2, .mode = OpenMode::resume});
  EXPECT_EQ(resumed.model, train_as_ranks(config, scratch.path("whole"), {}).model);
  set_threads(0);
}

/// The disk is full when the best loss so far, of step 5, is to be saved. That of step 10 is worse, and can be saved.
TEST(Ranks, KnowWhichBestLossTheRootCouldNotSave) {
  for (const bool shard : {true, false}) {  // the latter saves in the background
    SCOPED_TRACE(fmt::format("shard {}", shard));
    const Scratch scratch;
    const LogCapture log;
    Config config = config_of_faults(scratch);
    config.train.steps = 10;
    config.train.eval_every = config.train.checkpoint_every = 5;
    config.distributed.shard = shard;
    std::optional<testing::FileSizeLimit> full;  // for the root, which alone writes
    const auto prepare = [&](TrainingRun& run, TrainingHooks& hooks) {
      hooks.before_work = [&](TrainingWork work, Index step) {
        if (step == 9 && work == TrainingWork::step) {
          run.parts().train_step->wait_for_weights();
          run.parts().weights->masters().all().setZero();
        }
        if (!run.world().is_root()) return;
        if (step == 4) full.emplace(100);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // a save in the background fails meanwhile
        if (log.text().find("(1 of 3)") != std::string::npos) full.reset();
      };
    };
    const Trained together = train_as_ranks(config, scratch.path("run"), {.ranks = 2, .prepare = prepare});
    EXPECT_THAT(log.text(), ::testing::HasSubstr("(1 of 3)"));
    EXPECT_LT(*together.rows[4].validation_loss, *together.rows[9].validation_loss);
    for (const TrainerState& state : together.states) {
      EXPECT_EQ(state.best_step, 10);
      EXPECT_EQ(state.evaluations_since_best, 0);
    }
    EXPECT_EQ(best_checkpoint(RunPaths{scratch.path("run")}.checkpoints())->filename(), checkpoint_name(10));
  }
  set_threads(0);
}

/// The root's clock ticks at each look. The clocks of the others jump by hours, back and forth.
TEST(Ranks, EndAfterTheSameStepByTheRootsClockWhateverTheOthersSay) {
  const Scratch scratch;
  Config config = config_of_faults(scratch);
  config.train.steps.reset();
  config.train.time_budget = Duration{1.5};
  config.train.async_checkpoint = false;  // so that the root looks at its clock in a fixed order
  const auto train = [&](const std::string& name, double jump) {
    std::atomic<int> looks = 0, other_looks = 0;
    const auto clock = [&](int rank) {
      constexpr double kTick = 0.01, kLateStart = 10;  // seconds; the first save begins late
      if (rank == 0) return kTick * ++looks + (looks > 1 ? kLateStart : 0);
      return ++other_looks % 2 == 0 ? jump : -jump;
    };
    return train_as_ranks(config, scratch.path(name), {.ranks = 4, .clock = clock});
  };
  const Trained calm = train("calm", 0), jumping = train("jumping", 3600);
  expect_same_on_all_ranks(jumping);
  for (const TrainerState& state : jumping.states) EXPECT_EQ(state.step, calm.states.front().step);
  EXPECT_GT(jumping.states.front().step, 4);
  EXPECT_EQ(jumping.model, calm.model);
  EXPECT_EQ(jumping.optimizer, calm.optimizer);
  config.train.time_budget.reset();
  config.train.steps = 8;
  EXPECT_EQ(train("calm steps", 0).model, train("jumping steps", 3600).model);
  set_threads(0);
}

TEST(Ranks, ResumeAnEvaluationThatWasStoppedOnFewerOfThemToTheByte) {
  const Scratch scratch;
  Config config = config_of_faults(scratch);
  config.data.train = {scratch.write("long.txt", testing::counting_text(400))};
  config.data.validation_fraction = 0.5;
  config.train.eval_tokens = {.all = true};  // ten batches
  const Trained whole = train_as_ranks(config, scratch.path("whole"), {.ranks = 2});
  for (const int stopping : {0, 3}) {
    SCOPED_TRACE(fmt::format("rank {} stops", stopping));
    const std::string parts = scratch.path(fmt::format("parts{}", stopping));
    const auto stops_within = [&](TrainingRun& run, TrainingHooks& hooks) {
      hooks.after_evaluation = [](const Evaluation&) { ADD_FAILURE() << "an evaluation was not stopped"; };
      if (run.world().rank() != stopping) return;
      hooks.before_work = [&hooks](TrainingWork work, Index) {
        if (work != TrainingWork::evaluation) return;
        hooks.when_asked = [&hooks, asked = 0]() mutable { hooks.stop = ++asked >= 3; };  // in the midst
      };
    };
    const Trained stopped = train_as_ranks(config, parts, {.ranks = 4, .stops = true, .prepare = stops_within});
    EXPECT_EQ(stopped.checkpoint.filename(), checkpoint_name(4));
    for (const TrainerState& state : stopped.states) EXPECT_TRUE(state.evaluation_pending);
    const Trained resumed = train_as_ranks(config, parts, {.ranks = 2, .mode = OpenMode::resume});
    EXPECT_EQ(resumed.model, whole.model);
    EXPECT_EQ(resumed.optimizer, whole.optimizer);
    EXPECT_EQ(resumed.rows[3].validation_loss, whole.rows[3].validation_loss);
  }
  set_threads(0);
}

}  // namespace
}  // namespace kiln
