// Several ranks train as one process does: the same model within rounding, with leaves the same bytes.
#include "kiln/core/file.h"
#include "kiln/core/threads.h"
#include "kiln/run/metrics.h"
#include "kiln/train/training_run.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/log_capture.h"
#include "support/policy_runs.h"
#include "support/preference_runs.h"
#include "support/rank_training.h"
#include "train/training_parts.h"
#include <string>
#include <vector>

namespace kiln {
namespace {

using testing::as_ranks;
using testing::expect_error_with;
using testing::expect_same_on_all_ranks;
using testing::letters_config;
using testing::LogCapture;
using testing::policy_config;
using testing::Scratch;
using testing::tiny_config;
using testing::train_as_ranks;
using testing::Trained;
using testing::tuning_config;
using testing::wide_config;

/// Expects the losses of the same steps, and of the same evaluations, within rounding.
void expect_same_losses(const std::vector<MetricsRow>& some, const std::vector<MetricsRow>& others, double tolerance) {
  ASSERT_EQ(some.size(), others.size());
  for (std::size_t i = 0; i < some.size(); ++i) {
    EXPECT_EQ(some[i].step, others[i].step);
    EXPECT_EQ(some[i].tokens, others[i].tokens);
    EXPECT_NEAR(*some[i].loss, *others[i].loss, tolerance * *others[i].loss) << "step " << some[i].step;
    EXPECT_NEAR(*some[i].grad_norm, *others[i].grad_norm, 10 * tolerance * *others[i].grad_norm);
    ASSERT_EQ(some[i].validation_loss.has_value(), others[i].validation_loss.has_value());
    if (!some[i].validation_loss) continue;
    EXPECT_NEAR(*some[i].validation_loss, *others[i].validation_loss, tolerance * *others[i].validation_loss);
  }
}

/// Expects ranks to train as one process does. The runs lie in the scratch folder.
void expect_to_train_as_alone(const Config& config, const Scratch& scratch, const std::vector<int>& numbers,
                              double tolerance) {
  const Trained alone = train_as_ranks(config, scratch.path("1"), {});
  for (const int ranks : numbers) {
    SCOPED_TRACE(fmt::format("{} ranks", ranks));
    const Trained together = train_as_ranks(config, scratch.path(std::to_string(ranks)), {.ranks = ranks});
    expect_same_on_all_ranks(together);
    expect_same_losses(together.rows, alone.rows, tolerance);
  }
}

TEST(Ranks, TrainAsOneProcessDoesWithEveryOptimizer) {
  for (const OptimizerKind kind :
       {OptimizerKind::sgd, OptimizerKind::adam, OptimizerKind::adamw, OptimizerKind::lion, OptimizerKind::muon}) {
    const Scratch scratch;
    Config config = wide_config(scratch);
    config.optimizer.type = kind;
    config.optimizer.momentum = 0.9;
    if (kind == OptimizerKind::lion) config.optimizer.learning_rate = 2e-4;
    const Trained alone = train_as_ranks(config, scratch.path("1"), {});
    for (const int ranks : {2, 3}) {
      for (const bool shard : {true, false}) {
        SCOPED_TRACE(fmt::format("{}, {} ranks, shard {}", name_of(kind), ranks, shard));
        config.distributed.shard = shard;
        const Trained together =
            train_as_ranks(config, scratch.path(fmt::format("{}{}", ranks, shard)), {.ranks = ranks});
        expect_same_on_all_ranks(together);
        expect_same_losses(together.rows, alone.rows, 2e-5);
        EXPECT_EQ(together.model.size(), alone.model.size());
        EXPECT_EQ(together.optimizer.size(), alone.optimizer.size());
        if (shard) {
          EXPECT_LT(together.state_bytes, alone.state_bytes * 3 / 2 / static_cast<std::size_t>(ranks));
        } else {
          EXPECT_EQ(together.state_bytes, alone.state_bytes);
        }
      }
    }
  }
}

TEST(Ranks, TrainAsOneProcessDoesWithEveryObjective) {
  for (const ObjectiveKind kind : {ObjectiveKind::sft, ObjectiveKind::dpo, ObjectiveKind::ipo, ObjectiveKind::reward}) {
    SCOPED_TRACE(name_of(kind));
    const Scratch scratch;
    Config config = kind == ObjectiveKind::sft ? letters_config(scratch) : tuning_config(scratch, kind);
    config.train.steps = 10;
    config.train.log_every = 1;
    config.train.eval_every = 5;
    config.optimizer.learning_rate = 1e-3;
    expect_to_train_as_alone(config, scratch, {2, 3}, 2e-4);
  }
}

TEST(Ranks, DrawAndLearnAsOneProcessDoesByPolicyGradients) {
  for (const ObjectiveKind kind : {ObjectiveKind::grpo, ObjectiveKind::ppo}) {
    SCOPED_TRACE(name_of(kind));
    const Scratch scratch;
    Config config = policy_config(scratch, kind);
    config.train.steps = 6;
    config.train.eval_every = 3;
    config.optimizer.learning_rate = 3e-4;
    const Trained alone = train_as_ranks(config, scratch.path("1"), {});
    for (const int ranks : {2, 3}) {
      const Trained together = train_as_ranks(config, scratch.path(std::to_string(ranks)), {.ranks = ranks});
      expect_same_on_all_ranks(together);
      ASSERT_EQ(together.rows.size(), alone.rows.size());
      for (std::size_t i = 0; i < alone.rows.size(); ++i) {
        const MetricsRow &some = together.rows[i], &others = alone.rows[i];
        EXPECT_EQ(some.tokens, others.tokens);
        EXPECT_EQ(some.reward, others.reward) << "step " << some.step;
        EXPECT_NEAR(*some.loss, *others.loss, 1e-3);
        EXPECT_NEAR(*some.kl_k3, *others.kl_k3, 1e-3);
        EXPECT_EQ(some.held_out_reward, others.held_out_reward);
        EXPECT_EQ(some.rewards.size(), 2u);
      }
    }
  }
}

TEST(Ranks, ShareMicroBatchesOfAStep) {
  const Scratch scratch;
  Config config = wide_config(scratch);
  config.train.batch_size.count = 3;
  config.train.gradient_accumulation = 4;
  expect_to_train_as_alone(config, scratch, {2, 3, 5}, 2e-5);
}

TEST(Ranks, TrainWithWeightsThatAreFrozenAndInBfloat16) {
  const Scratch scratch;
  Config config = wide_config(scratch);
  config.train.freeze = {"wte.weight", "h.1.*"};
  config.train.precision = Precision::bf16;
  expect_to_train_as_alone(config, scratch, {2}, 1e-3);
}

TEST(Ranks, WithLeavesGiveTheSameBytesWhateverTheirNumber) {
  for (const OptimizerKind kind : {OptimizerKind::adamw, OptimizerKind::muon}) {
    const Scratch scratch;
    Config config = wide_config(scratch);
    config.optimizer.type = kind;
    config.train.batch_size.count = 8;
    config.distributed.leaves = 8;
    const Trained alone = train_as_ranks(config, scratch.path("1"), {});
    for (const int ranks : {2, 4, 8}) {
      for (const bool shard : {true, false}) {
        if (ranks == 8 && !shard) continue;
        config.distributed.shard = shard;
        const Trained together =
            train_as_ranks(config, scratch.path(fmt::format("{}{}", ranks, shard)), {.ranks = ranks});
        EXPECT_EQ(together.weights.back(), alone.weights.front());
        EXPECT_EQ(together.model, alone.model);
        EXPECT_EQ(together.optimizer, alone.optimizer);
        for (std::size_t i = 0; i < alone.rows.size(); ++i) {
          EXPECT_EQ(together.rows[i].loss, alone.rows[i].loss);
          EXPECT_EQ(together.rows[i].grad_norm, alone.rows[i].grad_norm);
          EXPECT_EQ(together.rows[i].validation_loss, alone.rows[i].validation_loss);
        }
      }
    }
  }
  set_threads(0);
}

TEST(Ranks, ResumeOnAnotherNumberOfRanksToTheByte) {
  const Scratch scratch;
  Config config = wide_config(scratch);
  config.distributed.leaves = 4;
  const Trained whole = train_as_ranks(config, scratch.path("whole"), {});
  const std::string parts = scratch.path("parts");
  train_as_ranks(config, parts, {.ranks = 2, .stop = 3, .stopping_rank = 1});  // a rank that is not the root
  train_as_ranks(config, parts, {.ranks = 1, .mode = OpenMode::resume, .stop = 5});
  const Trained resumed = train_as_ranks(config, parts, {.ranks = 4, .mode = OpenMode::resume});
  EXPECT_EQ(resumed.model, whole.model);
  EXPECT_EQ(resumed.optimizer, whole.optimizer);
  set_threads(0);
}

TEST(Ranks, ResumeWithinRoundingWithoutLeaves) {
  const Scratch scratch;
  const Config config = wide_config(scratch);
  const Trained whole = train_as_ranks(config, scratch.path("whole"), {});
  const std::string parts = scratch.path("parts");
  train_as_ranks(config, parts, {.ranks = 2, .stop = 3});
  train_as_ranks(config, parts, {.ranks = 1, .mode = OpenMode::resume, .stop = 5});
  const LogCapture log;
  const Trained resumed = train_as_ranks(config, parts, {.ranks = 3, .mode = OpenMode::resume});
  expect_same_losses(resumed.rows, whole.rows, 2e-5);
  EXPECT_THAT(log.text(), ::testing::HasSubstr("made by 1 rank, the run continues with 3"));
}

TEST(Ranks, WithLocalStepsHaveTheSameWeightsAfterEachOuterOne) {
  for (const OuterKind outer : {OuterKind::nesterov, OuterKind::average}) {
    const Scratch scratch;
    Config config = wide_config(scratch);
    config.distributed.local_steps = 4;
    config.distributed.outer = outer;
    config.train.steps = 10;  // the last outer step is early
    config.train.eval_every = 4;
    config.train.checkpoint_every = 4;
    const Trained together = train_as_ranks(config, scratch.path("3"), {.ranks = 3});
    expect_same_on_all_ranks(together);
    EXPECT_LT(*together.rows.back().validation_loss, *together.rows[3].validation_loss);
    const Trained alone = train_as_ranks(config, scratch.path("1"), {});
    EXPECT_NE(alone.weights.front(), together.weights.front());
  }
}

TEST(Ranks, WithLocalStepsKeepTheGradientsOfTheLastStep) {  // which event files show
  const Scratch scratch;
  Config config = wide_config(scratch);
  config.optimizer.type = OptimizerKind::sgd;
  config.optimizer.momentum = config.optimizer.weight_decay = config.optimizer.clip_norm = 0;
  config.optimizer.learning_rate = 1e-6;  // the same weights, so the same gradient
  config.train.steps = 2;
  config.train.eval_every = config.train.checkpoint_every = 0;
  std::vector<std::vector<float>> gradients;
  for (const std::int64_t local_steps : {1, 2}) {
    config.distributed.local_steps = local_steps;
    TrainingRun run(config, scratch.path(std::to_string(local_steps)));
    run.train();
    const ConstVec<float> all = run.parts().train_step->gradients().all();
    gradients.emplace_back(all.begin(), all.end());
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

TEST(Ranks, ResumeLocalStepsWithTheMomentumOfTheOuterOnes) {
  const Scratch scratch;
  Config config = wide_config(scratch);
  config.distributed.local_steps = 2;
  config.train.eval_every = 0;
  config.train.checkpoint_every = 4;
  const Trained whole = train_as_ranks(config, scratch.path("whole"), {});
  const std::string parts = scratch.path("parts");
  train_as_ranks(config, parts, {.stop = 4});
  const Trained resumed = train_as_ranks(config, parts, {.mode = OpenMode::resume});
  EXPECT_EQ(resumed.model, whole.model);  // of one process, whose moments are all that there are
  EXPECT_EQ(resumed.optimizer, whole.optimizer);
  train_as_ranks(config, scratch.path("two"), {.ranks = 2, .stop = 4});
  const Trained goes_on = train_as_ranks(config, scratch.path("two"), {.ranks = 2, .mode = OpenMode::resume});
  expect_same_on_all_ranks(goes_on);
}

TEST(Ranks, RefuseLeavesThatTheyCannotShare) {
  const Scratch scratch;
  Config config = wide_config(scratch);
  config.distributed.leaves = 4;
  expect_error_with(ExitCode::usage, {"distributed.leaves is 4", "3 ranks"},
                    [&] { train_as_ranks(config, scratch.path("run"), {.ranks = 3}); });
  set_threads(0);
}

TEST(Ranks, SayWhichOfThemHasAnotherConfigOrText) {
  const Scratch scratch;
  expect_error_with(ExitCode::usage,
                    {"rank 1 has another config", "rank 1 has another initial weights", "rank 2 has another text"},
                    [&] {
                      std::vector<Config> configs(3, tiny_config(scratch));
                      configs[1].seed = 5;
                      configs[2].data.train = {scratch.write("other.txt", testing::counting_text(61))};
                      as_ranks(3, [&](World& world) {
                        const Config& config = configs[static_cast<std::size_t>(world.rank())];
                        const TrainingRun run(config, scratch.path("run"), {.world = &world});
                      });
                    });
}

}  // namespace
}  // namespace kiln
