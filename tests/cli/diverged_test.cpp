// A model whose weights hold NaN: one fault, one exit code, whichever command meets it.
#include "kiln/core/file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <limits>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;
using testing::SmallRun;

/// A small run's model as a Hugging Face folder, of which some weights are NaN.
struct DivergedModel {
  explicit DivergedModel(const std::vector<std::string>& more = {}) {
    EXPECT_EQ(run.train(more).code, 0);
    EXPECT_EQ(run_kiln({"export", run.folder, "--to", "hf", "--output", folder}).code, 0);
    const std::string file = folder + "/model.safetensors";
    std::string bytes = read_file(file);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    bytes.replace(bytes.size() - sizeof nan, sizeof nan, reinterpret_cast<const char*>(&nan), sizeof nan);
    write_file_synced(file, bytes);
  }

  SmallRun run;
  std::string folder = run.scratch.path("diverged").string();
  std::string text = run.scratch.path("counting.txt").string();
};

void expect_diverged(const Outcome& outcome, const std::string& what) {
  EXPECT_EQ(outcome.code, 4) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr(what));
  EXPECT_THAT(outcome.err, HasSubstr("NaN or are far too large"));
}

TEST(DivergedModel, EveryCommandThatComputesWithItExitsFour) {
  const DivergedModel model;
  expect_diverged(run_kiln({"eval", model.folder, "--data", model.text}),
                  "the model's loss on this text is not finite");
  expect_diverged(run_kiln({"eval", model.folder, "--data", model.text, "--json"}), "is not finite");
  const testing::Scratch scratch;
  const std::string tasks =
      scratch.write("tasks.jsonl", R"({"prompt": "one", "choices": [" two", " six"], "answer": 0})");
  expect_diverged(run_kiln({"eval", model.folder, "--tasks", tasks}), "log probability of a choice is not finite");
  expect_diverged(run_kiln({"sample", model.folder, "one"}), "the model's scores for the next token are not finite");
  expect_diverged(run_kiln({"inspect", model.folder, "one"}), "the model's scores for the next token are not finite");
}

TEST(DivergedModel, IsNoStartOfATraining) {
  const DivergedModel model;
  const auto expect_refusal = [&](const Outcome& outcome, const std::string& named) {
    EXPECT_EQ(outcome.code, 4) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(named + ": some weights are NaN or infinite: the model has diverged"));
  };
  const std::string config = model.run.config, start = "init_from=" + model.folder;
  expect_refusal(model.run.train({"--overwrite", "--set", start}), model.folder);
  expect_refusal(testing::run(testing::kiln({"tune", "lr", config, "--set", start, "--steps", "20"}), "",
                              model.run.scratch.path()),
                 model.folder);
}

TEST(DivergedModel, IsNoStartAndNoReferenceOfTuning) {
  const DivergedModel model({"--set", "chat.template=chatml", "--set", "model.n_ctx=32"});
  const auto tune = [&](const std::string& type, const std::string& start, const std::string& reference) {
    model.run.scratch.write("pairs.jsonl", R"({"prompt":"one","chosen":"two","rejected":"three"})"
                                           "\n");
    model.run.scratch.write("prompts.jsonl", R"({"prompt":"one"})"
                                             "\n");
    const std::string file = model.run.scratch.write(
        "tune.json",
        fmt::format(
            R"({{"name":"tuned","init_from":"{}","objective":{{"type":"{}","reference":"{}"}},
          "data":{{"train":["{}"]}},"train":{{"steps":1,"batch_size":2,"eval_every":0}}{}}})",
            start, type, reference, type == "dpo" ? "pairs.jsonl" : "prompts.jsonl",
            type == "dpo" ? "" : R"(,"model":{"dropout":0},"policy":{"max_tokens":4,"rewards":[{"type":"length"}]})"));
    return run_kiln({"train", file, "--run", model.run.scratch.path("tuned").string(), "--overwrite"});
  };
  for (const std::string type : {"dpo", "grpo"}) {
    const Outcome start = tune(type, model.folder, model.run.folder);
    EXPECT_EQ(start.code, 4) << start.err;
    EXPECT_THAT(start.err, HasSubstr(model.folder + ": some weights are NaN or infinite: the model has diverged"));
    const Outcome reference = tune(type, model.run.folder, model.folder);
    EXPECT_EQ(reference.code, 4) << reference.err;
    EXPECT_THAT(reference.err,
                HasSubstr("objective.reference: " + model.folder + ": some weights are NaN or infinite"));
  }
}

TEST(DivergedModel, IsCopiedWithAWarning) {
  const DivergedModel model;
  const std::string copy = model.run.scratch.path("copy").string();
  for (const Outcome& outcome : {run_kiln({"export", model.folder, "--to", "hf", "--output", copy}),
                                 run_kiln({"import", model.folder, "--run", copy + "-run"})}) {
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("diverged: some weights are NaN or infinite"));
  }
}

}  // namespace
}  // namespace kiln
