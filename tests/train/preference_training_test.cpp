// Tuning by preferences as runs: what it learns, the reference it keeps, and that it resumes to the byte.
#include "kiln/core/file.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/metrics.h"
#include "kiln/train/training_run.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "support/chat_runs.h"
#include "support/error_parts.h"
#include "support/log_capture.h"
#include "support/preference_runs.h"
#include "support/tiny_run.h"
#include "train/training_parts.h"
#include <cmath>
#include <string>

namespace kiln {
namespace {

using testing::expect_error_with;
using ::testing::HasSubstr;
using testing::judged_pairs;
using testing::letters_config;
using testing::LogCapture;
using ::testing::Not;
using testing::Scratch;
using testing::tiny_config;
using testing::train;
using testing::tuning_config;

TEST(PreferenceTraining, BeginsAtTheKnownLossAndLearnsTheOrder) {
  for (const auto& [kind, first] : {std::pair(ObjectiveKind::dpo, std::log(2.0)), {ObjectiveKind::ipo, 25.0}}) {
    const Scratch scratch;
    const RunPaths paths = train(tuning_config(scratch, kind), scratch.path("run"));
    const std::vector<MetricsRow> rows = read_metrics(paths.metrics());
    EXPECT_NEAR(*rows.front().loss, first, 1e-6 * std::max(1.0, first));
    EXPECT_NEAR(*rows.front().reward_margin, 0, 1e-6);
    EXPECT_LT(*rows.back().loss, 0.8 * first);
    EXPECT_GT(*rows.back().reward_margin, 0);
    ASSERT_TRUE(rows.back().accuracy.has_value());
    EXPECT_GT(*rows.back().accuracy, 0.7);  // of the pairs that are held out
    EXPECT_LT(*rows.back().chosen_log_prob, 0);
  }
}

TEST(PreferenceTraining, ResumesToTheByteWithTheReferenceItBeganWith) {
  const Scratch scratch;
  const Config config = tuning_config(scratch, ObjectiveKind::dpo);
  const RunPaths whole = train(config, scratch.path("whole"));
  const RunPaths parts = train(config, scratch.path("parts"), 13);
  const std::string reference = read_file(parts.tokens() / "reference.json");
  train(config, scratch.path("parts"), -1, OpenMode::resume);
  EXPECT_EQ(read_file(parts.tokens() / "reference.json"), reference);
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    EXPECT_EQ(read_file(whole.checkpoints() / checkpoint_name(60) / file),
              read_file(parts.checkpoints() / checkpoint_name(60) / file))
        << file;
  }
  EXPECT_NE(read_trainer_state(parts.checkpoints() / checkpoint_name(60)).reference, 0u);
}

TEST(PreferenceTraining, ALostReferenceIsComputedAgainFromTheSameModelAlone) {
  const Scratch scratch;
  const Config config = tuning_config(scratch, ObjectiveKind::dpo);
  const RunPaths parts = train(config, scratch.path("parts"), 13);
  const std::string reference = read_file(parts.tokens() / "reference.json");
  std::filesystem::remove(parts.tokens() / "reference.json");
  { const TrainingRun run(config, scratch.path("parts"), {.mode = OpenMode::resume}); }
  EXPECT_EQ(read_file(parts.tokens() / "reference.json"), reference);

  std::filesystem::remove(parts.tokens() / "reference.json");
  std::filesystem::remove_all(scratch.path("start"));
  Config other = letters_config(scratch);
  other.seed = 99;
  train(other, scratch.path("start"));
  expect_error_with(ExitCode::usage, {"start", "other weights now", "put the model back"},
                    [&] { const TrainingRun run(config, scratch.path("parts"), {.mode = OpenMode::resume}); });
}

TEST(PreferenceTraining, AnotherReferenceIsNotIndifferent) {
  const Scratch scratch;
  Config config = tuning_config(scratch, ObjectiveKind::dpo);
  Config other = letters_config(scratch);
  other.seed = 7;
  train(other, scratch.path("other"));
  config.objective.reference = scratch.path("other");
  const RunPaths paths = train(config, scratch.path("run"));
  EXPECT_GT(std::abs(*read_metrics(paths.metrics()).front().reward_margin), 1e-4);
}

TEST(PreferenceTraining, AStaleReferenceEndsTheRunAtItsFirstStep) {
  const Scratch scratch;
  const Config config = tuning_config(scratch, ObjectiveKind::dpo);
  TrainingRun run(config, scratch.path("run"));
  std::vector<double> stale(static_cast<std::size_t>(run.parts().data.preferences->answers()));
  for (std::size_t i = 0; i < stale.size(); ++i) stale[i] = -static_cast<double>(i);
  run.parts().data.preferences->set_reference(stale);
  expect_error_with(ExitCode::failure, {"step 1", "its own reference", "0.6931472", "reference.json"},
                    [&] { run.train(); });
}

TEST(PreferenceTraining, ARewardModelLearnsToScoreTheBetterAnswerHigher) {
  const Scratch scratch;
  const LogCapture log;
  Config config = tuning_config(scratch, ObjectiveKind::reward);
  const RunPaths paths = train(config, scratch.path("run"));
  EXPECT_THAT(log.text(), HasSubstr("a reward model usually learns little from fewer than 2,000"));
  const std::vector<MetricsRow> rows = read_metrics(paths.metrics());
  EXPECT_GT(*rows.back().accuracy, 0.7);
  EXPECT_FALSE(rows.back().chosen_log_prob.has_value());
  EXPECT_FALSE(rows.back().perplexity.has_value());
}

TEST(PreferenceTraining, ACopyOfTheTrainingDataSaysNothingAboutOtherPrompts) {
  const Scratch scratch;
  const std::string pairs = judged_pairs();
  Config config = tuning_config(scratch, ObjectiveKind::dpo);
  const auto text_with = [&](const std::string& held_out) {
    config.data.validation = {scratch.write("held_out.jsonl", held_out)};
    const LogCapture log;
    const TrainingRun run(config, scratch.path("run"), {.mode = OpenMode::overwrite});
    return log.text();
  };
  EXPECT_THAT(text_with(pairs),
              HasSubstr("warning: data.validation: data.train holds 64 of its 64 prompts too, so the evaluation says "
                        "little about other prompts; remove them from one of the two"));
  const std::string other = R"({"prompt":"sing","chosen":"a","rejected":"e"})"
                            "\n";
  const std::string first = pairs.substr(0, pairs.find('\n') + 1);
  EXPECT_THAT(text_with(first + other), HasSubstr("data.train holds 1 of its 2 prompts too"));
  EXPECT_THAT(text_with(other), Not(HasSubstr("data.validation")));
}

TEST(PreferenceTraining, AModelThatLearnsAllAtOnceHasProbablyTooHighARate) {
  const Scratch scratch;
  Config config = tuning_config(scratch, ObjectiveKind::dpo);
  config.train.batch_size.count = 16;
  config.train.steps = 14;
  const auto text_at = [&](double rate) {
    config.optimizer.learning_rate = rate;
    const LogCapture log;
    const RunPaths paths = train(config, scratch.path(fmt::format("run-{}", rate)));
    const std::vector<MetricsRow> rows = read_metrics(paths.metrics());
    for (std::size_t i = 5; i < 10; ++i) EXPECT_EQ(rows[i].reward_accuracy, 1);  // the pairs are easy
    return log.text();
  };
  const std::string part = ": the model has been right about the last ";
  const std::string text = text_at(0.05);
  EXPECT_THAT(text, HasSubstr("warning: step 10" + part));
  EXPECT_THAT(text, HasSubstr("optimizer.learning_rate 0.05 is far too high"));
  EXPECT_EQ(text.find(part), text.rfind(part));
  EXPECT_THAT(text_at(1e-3), Not(HasSubstr(part)));
}

TEST(PreferenceTraining, TheLossDoesNotDependOnMicroBatches) {
  const Scratch scratch;
  Config config = tuning_config(scratch, ObjectiveKind::dpo);
  config.train.steps = 1;
  config.train.order = DataOrder::sequential;
  config.train.batch_size.all = true;  // one step of the whole data
  const RunPaths one = train(config, scratch.path("one"));
  config.train.batch_size = CountOrAll{2};
  config.train.gradient_accumulation = 40;
  const auto first_row = [](const RunPaths& paths) { return read_metrics(paths.metrics()).front(); };
  const RunPaths many = train(config, scratch.path("many"));
  EXPECT_NEAR(*first_row(one).loss, *first_row(many).loss, 1e-6);
}

TEST(PreferenceTraining, WhatCannotBeTunedIsRefused) {
  const Scratch scratch;
  Config config = tuning_config(scratch, ObjectiveKind::dpo);
  config.data.train = {scratch.write("none.jsonl", R"({"prompt":"a","chosen":"","rejected":"b"})"
                                                   "\n")};
  config.data.validation_fraction = 0;
  expect_error_with(ExitCode::usage, {"no two answers to compare", "1 empty"},
                    [&] { const TrainingRun run(config, scratch.path("run")); });
  Config plain = tiny_config(scratch);
  train(plain, scratch.path("plain"));
  config = tuning_config(scratch, ObjectiveKind::dpo);
  config.init_from = scratch.path("plain");
  config.tokenizer.special_tokens.clear();
  config.model = plain.model;
  expect_error_with(ExitCode::usage, {"was not finetuned with it", "objective.type sft"},
                    [&] { const TrainingRun run(config, scratch.path("run")); });
}

}  // namespace
}  // namespace kiln
