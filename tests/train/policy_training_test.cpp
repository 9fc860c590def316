// Tuning by policy gradients as runs: what it learns, that it resumes to the byte, and what it refuses.
#include "kiln/core/file.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/metrics.h"
#include "kiln/train/training_run.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "support/chat_runs.h"
#include "support/error_parts.h"
#include "support/log_capture.h"
#include "support/policy_runs.h"
#include "train/training_parts.h"
#include <string>

namespace kiln {
namespace {

using testing::config_of_tuning;
using testing::expect_error_with;
using testing::LogCapture;
using testing::policy_config;
using testing::Scratch;
using testing::train;

constexpr ObjectiveKind kPolicies[] = {ObjectiveKind::grpo, ObjectiveKind::rloo, ObjectiveKind::reinforce,
                                       ObjectiveKind::ppo};

TEST(PolicyTraining, RaisesTheRewardAndBeginsAtTheReference) {
  for (const ObjectiveKind kind : kPolicies) {
    const Scratch scratch;
    const RunPaths paths = train(policy_config(scratch, kind), scratch.path("run"));
    const std::vector<MetricsRow> rows = read_metrics(paths.metrics());
    ASSERT_EQ(rows.size(), 24u);
    EXPECT_EQ(*rows.front().kl, 0);
    EXPECT_EQ(*rows.front().divergence, 0);  // from the model that drew the answers
    EXPECT_GT(*rows.back().reward, *rows.front().reward + 0.1) << name_of(kind);
    EXPECT_GT(*rows.back().kl_k3, 0);
    EXPECT_TRUE(rows.back().held_out_reward.has_value());
    ASSERT_EQ(rows.back().rewards.size(), 2u);
    EXPECT_EQ(rows.back().rewards.front().name, "regex");
    EXPECT_EQ(rows.back().value_loss.has_value(), kind == ObjectiveKind::ppo);
  }
}

TEST(PolicyTraining, ResumesToTheByteWithinARollout) {
  for (const ObjectiveKind kind : {ObjectiveKind::grpo, ObjectiveKind::ppo}) {
    const Scratch scratch;
    Config config = policy_config(scratch, kind);
    config.policy.kl_target = 0.5;
    config.policy.passes = 2;
    const RunPaths whole = train(config, scratch.path("whole"));
    const RunPaths parts = train(config, scratch.path("parts"), 13);  // in the second pass of a rollout
    train(config, scratch.path("parts"), -1, OpenMode::resume);
    for (const char* file : {"model.safetensors", "optimizer.safetensors", "rollout.json"}) {
      EXPECT_EQ(read_file(whole.checkpoints() / checkpoint_name(24) / file),
                read_file(parts.checkpoints() / checkpoint_name(24) / file))
          << name_of(kind) << " " << file;
    }
    const auto without_times = [](const RunPaths& paths) {
      std::vector<MetricsRow> rows = read_metrics(paths.metrics());
      std::vector<std::string> texts;
      for (MetricsRow& row : rows) {
        row.seconds = 0;
        row.tokens_per_second.reset();
        texts.push_back(to_json(row).dump());
      }
      return texts;
    };
    EXPECT_EQ(without_times(whole), without_times(parts));
  }
}

TEST(PolicyTraining, LeavesTheRestOfARolloutOutBeyondTheLimit) {
  const Scratch scratch;
  Config config = policy_config(scratch, ObjectiveKind::ppo);
  config.policy.kl_limit = 1e-9;
  const LogCapture log;
  const RunPaths paths = train(config, scratch.path("run"));
  EXPECT_NE(log.text().find("beyond policy.kl_limit; the rest of it is left out"), std::string::npos);
  const TrainerState state = read_trainer_state(paths.checkpoints() / checkpoint_name(24));
  EXPECT_EQ(state.windows, 24 / 2 * 32 * 4);  // two of eight steps of each rollout
}

TEST(PolicyTraining, WarmsUpTheValueHeadAlone) {
  const Scratch scratch;
  Config config = policy_config(scratch, ObjectiveKind::ppo);
  config.policy.value_warmup = 1;
  config.optimizer.weight_decay = 0;
  const RunPaths paths = train(config, scratch.path("run"));
  const std::vector<MetricsRow> rows = read_metrics(paths.metrics());
  EXPECT_EQ(*rows[8].kl, 0);  // the second rollout, after eight steps of the first
  EXPECT_LT(*rows[7].value_loss, *rows[0].value_loss);
  EXPECT_GT(*rows.back().kl_k3, 0);
}

/// A clock on which each token that is drawn takes a hundredth of a second, and all else a thousandth.
class DrawingClock final : public TrainingMonitor {
 public:
  double operator()() { return now_ += 1e-3; }
  bool should_stop() override {  // asked at each token
    now_ += draws_ ? 1e-2 : 0;
    return false;
  }
  void on_work(TrainingWork work, Index) override {
    draws_ = work == TrainingWork::rollout || work == TrainingWork::evaluation;
  }

 private:
  double now_ = 0;
  bool draws_ = false;
};

TEST(PolicyTraining, ATimeBudgetReservesTheDrawingOfTheFirstEvaluation) {
  const Scratch scratch;
  Config config = policy_config(scratch, ObjectiveKind::grpo);
  std::string prompts;
  for (int i = 0; i < 160; ++i) prompts += fmt::format("say {}\n", static_cast<char>('a' + i % 8));
  config.data.validation = {scratch.write("held_out.txt", prompts)};  // five times the answers of a rollout
  config.train.steps.reset();
  config.train.time_budget = Duration{40};
  config.train.eval_every = 1'000'000;  // at the end alone
  config.train.async_checkpoint = false;
  DrawingClock clock;
  TrainingRun run(config, scratch.path("run"), {.clock = [&clock] { return clock(); }});
  EXPECT_EQ(run.train(clock), TrainingEnd::finished);
  const double seconds = run.state().seconds;
  EXPECT_LE(seconds, 41);  // answers become longer or shorter as the model learns
  EXPECT_GE(seconds, 30);
}

TEST(PolicyTraining, WithAdaptersTheReferenceIsTheBase) {
  const Scratch scratch;
  Config config = policy_config(scratch, ObjectiveKind::ppo);
  config.model.lora.rank = 4;
  const RunPaths whole = train(config, scratch.path("whole"));
  EXPECT_EQ(*read_metrics(whole.metrics()).front().kl, 0);
  train(config, scratch.path("parts"), 13);
  const RunPaths parts = train(config, scratch.path("parts"), -1, OpenMode::resume);
  for (const char* file : {"adapter_model.safetensors", "optimizer.safetensors", "rollout.json"}) {
    EXPECT_EQ(read_file(whole.checkpoints() / checkpoint_name(24) / file),
              read_file(parts.checkpoints() / checkpoint_name(24) / file))
        << file;
  }
}

TEST(PolicyTraining, KeepsWhatItLearnedIfARewardFails) {
  const Scratch scratch;
  Config config = policy_config(scratch, ObjectiveKind::grpo);
  // Counts its answers in a file, since it is started again.
  const std::string count = scratch.write("count", "0");
  const std::string judge =
      scratch.write("judge.sh", fmt::format("while read -r line; do\n n=$(($(cat {0}) + 1)); echo $n > {0}\n"
                                            " if [ $n -gt 100 ]; then echo nonsense; else echo 1; fi\ndone\n",
                                            count));
  config.policy.rewards = {{.type = RewardKind::command, .command = {"/bin/sh", judge}}};
  config.train.eval_every = 0;
  TrainingRun run(config, scratch.path("run"));
  expect_error_with(ExitCode::io, {"judge.sh"}, [&] { run.train(); });
  EXPECT_EQ(run.state().step, 3);  // 32 answers each, and the 101st has no score
  EXPECT_EQ(read_trainer_state(latest_checkpoint(run.paths().checkpoints()).value()).step, 3);
}

}  // namespace
}  // namespace kiln
