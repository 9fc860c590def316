// What a run leaves for TensorBoard, as a reader of its own finds it; and the ratio of updates to weights.
#include "train/event_log.h"

#include "kiln/core/file.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/train/training_run.h"

#include <gmock/gmock.h>

#include "support/event_reader.h"
#include "support/file_size_limit.h"
#include "support/log_capture.h"
#include "support/small_models.h"
#include "support/tiny_run.h"
#include "support/training_hooks.h"
#include "train/training_parts.h"
#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

using nlohmann::json;
using testing::FileSizeLimit;
using testing::read_events;
using testing::Scratch;
using testing::small_gpt2;
using testing::SmallModel;
using testing::tiny_config;
using testing::value_at;

/// Trains in a directory of that name; stops after `stop_after` steps.
RunPaths train_with_samples(const Scratch& scratch, const Config& config, const std::string& name, bool resume = false,
                            Index stop_after = -1) {
  TrainingRun run(config, scratch.path(name), {.mode = resume ? OpenMode::resume : OpenMode::fresh});
  testing::TrainingHooks hooks;
  testing::stop_after(hooks, stop_after);
  run.train(hooks);
  return run.paths();
}

std::vector<json> only_events(const RunPaths& paths) {
  const auto files = list_event_files(paths.root);
  EXPECT_EQ(files.size(), 1u);
  return files.empty() ? std::vector<json>() : read_events(files[0]);
}

// ---- the ratio ----

double ratio_of(const std::vector<std::pair<std::string_view, double>>& ratios, std::string_view role) {
  const auto found = std::ranges::find(ratios, role, [](const auto& ratio) { return ratio.first; });
  return found == ratios.end() ? std::nan("") : found->second;
}

TEST(UpdateRatio, IsTheNormOfTheChangeByTheNormOfTheWeights) {
  const SmallModel small(small_gpt2());
  ParameterBuffer<float> weights = small.draw(1);
  UpdateRatio ratio(small.layout());
  ratio.remember(weights);
  for (const auto& [role, value] : ratio.ratios(weights)) EXPECT_EQ(value, 0) << role;

  double before = 0, change = 0, total_before = 0;
  for (const Parameter& p : small.layout().parameters()) {
    for (Index i = p.offset; i < p.offset + p.size(); ++i) {
      float& w = weights.data()[i];
      total_before += std::pow(w, 2);
      if (p.role != Role::mlp) continue;
      before += std::pow(w, 2);
      const float moved = w + 0.01F * static_cast<float>(i % 7);
      change += std::pow(static_cast<double>(moved) - w, 2);
      w = moved;
    }
  }
  const auto ratios = ratio.ratios(weights);
  EXPECT_NEAR(ratio_of(ratios, "mlp"), std::sqrt(change / before), 1e-9);
  EXPECT_NEAR(ratio_of(ratios, "total"), std::sqrt(change / total_before), 1e-9);
  EXPECT_EQ(ratio_of(ratios, "attention"), 0);
  EXPECT_TRUE(std::isnan(ratio_of(ratios, "unembedding")));  // tied: there is none
}

TEST(UpdateRatio, OfLargeTensorsIsRightToAPercent) {
  ParameterLayout layout;
  const ParameterId id = layout.matrix({Module::c_fc, 0}, 512, 1024);
  ParameterBuffer<float> weights(layout);
  Rng rng(3, "test");
  for (float& w : weights.vec(id)) w = static_cast<float>(rng.normal());
  UpdateRatio ratio(layout);
  ratio.remember(weights);
  const double before = weights.all().cast<double>().norm();
  double change = 0;
  for (Index i = 0; i < layout[id].size(); ++i) {  // columns move by different amounts
    const float step = 0.001F * static_cast<float>(i % 1024 % 10);
    change += std::pow(step, 2);
    weights.data()[i] += step;
  }
  EXPECT_NEAR(ratio_of(ratio.ratios(weights), "total"), std::sqrt(change) / before, 0.01 * std::sqrt(change) / before);
}

// ---- runs ----

TEST(EventLog, HoldsEveryRowOfTheMetrics) {
  if (!testing::has_python()) GTEST_SKIP() << "needs python3";
  const Scratch scratch;
  const RunPaths paths = train_with_samples(scratch, tiny_config(scratch), "run");
  const std::vector<json> events = only_events(paths);
  for (const MetricsRow& row : read_metrics(paths.metrics())) {
    const auto scalar = [&](const char* tag) {
      const json value = value_at(events, row.step, tag);
      return value.is_null() ? std::nan("") : value["scalar"].get<double>();
    };
    EXPECT_EQ(scalar("loss/training"), static_cast<float>(*row.loss));
    EXPECT_EQ(scalar("training/learning_rate"), static_cast<float>(*row.learning_rate));
    EXPECT_EQ(scalar("training/gradient_norm"), static_cast<float>(*row.grad_norm));
    EXPECT_EQ(scalar("training/tokens_per_second"), static_cast<float>(*row.tokens_per_second));
    if (row.validation_loss) {
      EXPECT_EQ(scalar("loss/validation"), static_cast<float>(*row.validation_loss));
    } else {
      EXPECT_TRUE(std::isnan(scalar("loss/validation"))) << row.step;
    }
  }
}

TEST(EventLog, HoldsHistogramsAndTheUpdateRatioOfEveryEvaluation) {
  if (!testing::has_python()) GTEST_SKIP() << "needs python3";
  const Scratch scratch;
  const Config config = tiny_config(scratch);
  const RunPaths paths = train_with_samples(scratch, config, "run");
  const std::vector<json> events = only_events(paths);
  const ParameterLayout layout = LanguageModel<float>(config.model, 256).layout;
  for (Index step = 1; step <= 20; ++step) {
    const bool evaluated = step % 6 == 0 || step == 20;
    const json ratio = value_at(events, step, "update_to_weight/total");
    EXPECT_EQ(ratio.is_null(), !evaluated) << step;
    if (evaluated) {
      EXPECT_GT(ratio["scalar"], 1e-4);
      EXPECT_LT(ratio["scalar"], 0.5);
    }
    for (const Parameter& p : layout.parameters()) {
      for (const char* heading : {"weights/", "gradients/"}) {
        const json value = value_at(events, step, heading + p.name);
        ASSERT_EQ(value.is_null(), !evaluated) << p.name;
        EXPECT_EQ(value.is_null() ? 0 : value["histogram"]["num"].get<double>(),
                  evaluated ? static_cast<double>(p.size()) : 0);
      }
    }
  }
}

TEST(EventLog, WeightsAreThoseOfTheCheckpoint) {
  if (!testing::has_python()) GTEST_SKIP() << "needs python3";
  const Scratch scratch;
  const Config config = tiny_config(scratch);
  const RunPaths paths = train_with_samples(scratch, config, "run");
  const LanguageModel<float> model(config.model, 256);
  ParameterBuffer<float> weights(model.layout);
  read_huggingface_weights(paths.checkpoints() / checkpoint_name(20), config.model, weights);
  const std::vector<json> events = only_events(paths);
  for (const Parameter& p : model.layout.parameters()) {
    const json histogram = value_at(events, 20, "weights/" + p.name)["histogram"];
    const Histogram expected = histogram_of({weights.data() + p.offset, static_cast<std::size_t>(p.size())});
    EXPECT_EQ(histogram["sum"], expected.sum) << p.name;
    EXPECT_EQ(histogram["counts"], expected.counts) << p.name;
  }
}

TEST(EventLog, HoldsSamples) {
  if (!testing::has_python()) GTEST_SKIP() << "needs python3";
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.train.sample_every = 10;
  config.train.sample_prompt = "one two";
  const std::vector<json> events = only_events(train_with_samples(scratch, config, "run"));
  const std::string sample = value_at(events, 10, "sample")["tensor"]["strings"][0];
  EXPECT_THAT(sample, ::testing::StartsWith("    one two"));
  EXPECT_TRUE(value_at(events, 11, "sample").is_null());
}

TEST(EventLog, HoldsASampleOfEveryEvaluationWhereAskedTo) {
  if (!testing::has_python()) GTEST_SKIP() << "needs python3";
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.train.sample_at_evaluations = true;
  const std::vector<json> events = only_events(train_with_samples(scratch, config, "run"));
  for (Index step = 1; step <= 20; ++step) {
    const bool evaluated = step % 6 == 0 || step == 20;
    EXPECT_EQ(value_at(events, step, "sample").is_null(), !evaluated) << step;
  }
}

TEST(EventLog, AResumedRunBeginsAFileThatTakesBackWhatTheCheckpointDoesNotHold) {
  if (!testing::has_python()) GTEST_SKIP() << "needs python3";
  const Scratch scratch;
  Config config = tiny_config(scratch);
  config.train.sample_every = 1;
  const RunPaths paths = train_with_samples(scratch, config, "run", false, 7);
  train_with_samples(scratch, config, "run", true);
  const auto files = list_event_files(paths.root);
  ASSERT_EQ(files.size(), 2u);
  const std::vector<json> first = read_events(files[0]), second = read_events(files[1]);
  EXPECT_EQ(first.back()["step"], 7);
  EXPECT_EQ(second[1]["session_status"], 1);
  EXPECT_EQ(second[1]["step"], 8);
  EXPECT_EQ(second[2]["step"], 8);
  EXPECT_EQ(second.back()["step"], 20);
}

TEST(EventLog, ChangesNoBitOfTheRunAndMayBeOff) {
  const Scratch scratch;
  Config config = tiny_config(scratch);
  const RunPaths with = train_with_samples(scratch, config, "with");
  config.train.tensorboard = false;
  const RunPaths without = train_with_samples(scratch, config, "without");
  EXPECT_FALSE(list_event_files(with.root).empty());
  EXPECT_TRUE(list_event_files(without.root).empty());
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    EXPECT_EQ(read_file(with.checkpoints() / checkpoint_name(20) / file),
              read_file(without.checkpoints() / checkpoint_name(20) / file));
  }
}

TEST(EventLog, AFileThatCannotBeWrittenCostsAWarningAlone) {
  const Scratch scratch;
  TrainingRun run(tiny_config(scratch), scratch.path("run"));
  const testing::LogCapture said;
  EventLog log(run.parts(), scratch.path("nowhere"));
  log.before_evaluated_step();
  log.add_row({});
  log.add_evaluation();
  log.add_sample("text");
  const std::string text = said.text();
  EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;
  EXPECT_THAT(text, ::testing::HasSubstr("cannot be opened for writing"));
  EXPECT_THAT(text, ::testing::EndsWith("; TensorBoard will miss it\n"));
}

TEST(EventLog, RecordsThatFindNoRoomAreLostWithOneWarningAndLeaveNoTrace) {
  if (!testing::has_python()) GTEST_SKIP() << "needs python3";
  const Scratch scratch;
  TrainingRun run(tiny_config(scratch), scratch.path("run"));
  const testing::LogCapture said;
  EventLog log(run.parts(), run.paths().root);
  {
    const FileSizeLimit limit(1000);
    log.add_evaluation();
    log.add_evaluation();
  }
  log.add_sample("room again");
  const std::string text = said.text();
  EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;
  const std::vector<json> events = only_events(run.paths());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_FALSE(value_at(events, 0, "sample").is_null());
}

}  // namespace
}  // namespace kiln
