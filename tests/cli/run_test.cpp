// From a text to a trained run, and every command that reads one.
#include "kiln/core/file.h"
#include "kiln/tensor/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <cmath>
#include <regex>
#include <string>

namespace kiln {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using testing::counting_text;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run_kiln;
using testing::SmallRun;

/// One run for all tests that only read it.
const SmallRun& trained() {
  static const SmallRun run;
  static const Outcome outcome = run.train({"--set", "train.eval_tokens=all"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  return run;
}

json eval(const std::string& model, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"eval", model, "--json"});
  const Outcome outcome = run_kiln(more);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return json::parse(outcome.out);
}

TEST(TrainCommand, LeavesARunWithEverythingInIt) {
  const std::string folder = trained().folder;
  for (const char* file : {"config.json", "metrics.jsonl", "train.log", "checkpoints/latest", "checkpoints/best",
                           "checkpoints/step-00000000/model.safetensors", "checkpoints/step-00000020/kiln.json"}) {
    EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(folder) / file)) << file;
  }
}

TEST(EvalCommand, ScoresTheValidationSplitAsTrainingDid) {
  const json result = eval(trained().folder, {"--checkpoint", "latest"});
  const std::string metrics = read_file(trained().folder + "/metrics.jsonl");
  const std::size_t last = metrics.rfind('\n', metrics.size() - 2);
  const json row = json::parse(metrics.substr(last + 1));
  EXPECT_NEAR(result["loss"].get<double>(), row["validation_loss"].get<double>(), 1e-5);

  const double loss = result["loss"].get<double>();
  EXPECT_NEAR(result["perplexity"].get<double>(), std::exp(loss), 1e-6 * std::exp(loss));
  const std::string text = counting_text(60);
  const auto held_out =
      static_cast<double>(text.size() - static_cast<std::size_t>(static_cast<double>(text.size()) * 0.9));
  EXPECT_EQ(result["tokens"].get<double>(), held_out - 1);
  EXPECT_NEAR(result["bits_per_byte"].get<double>(), loss / std::log(2.0), 1e-6);  // a byte each
  EXPECT_GT(result["accuracy"].get<double>(), 0);
  EXPECT_LE(result["accuracy"].get<double>(), 1);
  EXPECT_GT(result["tokens_per_second"].get<double>(), 0);
  ASSERT_EQ(result["confidence_interval"].size(), 2u);
  EXPECT_LT(result["confidence_interval"][0].get<double>(), loss);
  EXPECT_GT(result["confidence_interval"][1].get<double>(), loss);
}

TEST(EvalCommand, TakesTheBestCheckpointUnlessTold) {
  const std::string run = trained().folder;
  const std::string best = read_file(run + "/checkpoints/best");
  const std::string folder = run + "/checkpoints/" + best.substr(0, best.find('\n'));
  EXPECT_EQ(eval(run)["loss"], eval(folder)["loss"]);
  EXPECT_EQ(eval(run)["loss"], eval(run, {"--checkpoint", "best"})["loss"]);
  EXPECT_GT(eval(run, {"--checkpoint", "0"})["loss"], eval(run)["loss"]);
  const Outcome missing = run_kiln({"eval", run, "--checkpoint", "12345"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("there is no checkpoint of step 12345"));
}

TEST(EvalCommand, LeavesNothingInAFolderThatIsNoRun) {
  const testing::Scratch scratch;
  scratch.write("project/tokens/mine", "x");
  namespace fs = std::filesystem;
  const fs::path folder = scratch.path("project/models/best");
  fs::create_directories(folder.parent_path());
  fs::copy(fs::path(trained().folder) / "checkpoints/step-00000000", folder);
  EXPECT_GT(eval(folder.string())["tokens"], 0);
  EXPECT_THAT(list_folder(scratch.path("project/tokens")), ::testing::ElementsAre(scratch.path("project/tokens/mine")));
}

TEST(EvalCommand, ScoresOtherFiles) {
  const std::string run = trained().folder;
  const testing::Scratch scratch;
  const std::string one = scratch.write("one.txt", counting_text(3)), two = scratch.write("two.txt", "zzzzzzzz");
  EXPECT_EQ(eval(run, {"--data", one})["tokens"], counting_text(3).size() - 1);
  EXPECT_GT(eval(run, {"--data", two})["loss"], eval(run, {"--data", one})["loss"]);
  EXPECT_EQ(eval(run, {"--data", one, "--data", two})["tokens"], counting_text(3).size() + 8 - 1);
  EXPECT_EQ(eval(run, {"--data", scratch.write("ids.bin", std::string("a\0b\0c\0", 6))})["tokens"], 2);
}

TEST(EvalCommand, FindsTextThatLiesBesideTheConfig) {
  const testing::Scratch scratch;
  scratch.write("configs/text.txt", counting_text(20));
  scratch.write("configs/beside.json",
                R"({"name": "beside", "tokenizer": {"type": "byte"}, "data": {"train": ["text.txt"]},
    "model": {"n_layers": 1, "d_model": 16, "n_heads": 2, "n_ctx": 16}, "train": {"steps": 1, "batch_size": 1}})");
  ASSERT_EQ(run_kiln({"train", "configs/beside.json"}, "", scratch.path()).code, 0);
  const Outcome outcome = run_kiln({"eval", "runs/beside"}, "", scratch.path());
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST(EvalCommand, PrintsATable) {
  const Outcome outcome = run_kiln({"eval", trained().folder});
  EXPECT_THAT(outcome.out, ContainsRegex("loss +[0-9.]+ +nats/token\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("bits per byte +[0-9.]+\n"));
  EXPECT_THAT(outcome.err, HasSubstr("scoring the run's validation split"));
}

TEST(EvalCommand, SaysWhatItLacks) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "data.validation_fraction=0"}).code, 0);
  Outcome outcome = run_kiln({"eval", run.folder});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("has no held-out text; name a text with --data FILE"));
  outcome = run_kiln({"eval", run.folder, "--data", "/no/such.txt"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--data: no file matches \"/no/such.txt\""));
  outcome = run_kiln({"eval", run.folder, "--data", run.scratch.write("a.txt", "a")});
  EXPECT_EQ(outcome.code, 2);
}

TEST(EvalCommand, TakesAHuggingFaceFolderWithAText) {
  const testing::Scratch scratch;
  const std::filesystem::path from = trained().folder + "/checkpoints/step-00000020", to = scratch.path();
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"})
    std::filesystem::copy_file(from / file, to / file);
  const std::string text = scratch.write("text.txt", counting_text(5));
  EXPECT_NEAR(eval(to.string(), {"--data", text})["loss"].get<double>(),
              eval(from.string(), {"--data", text})["loss"].get<double>(), 1e-6);
  const Outcome outcome = run_kiln({"eval", to.string()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("it has no validation split; name a text with --data FILE"));
}

TEST(SampleCommand, WritesTextOrJson) {
  const Outcome text =
      run_kiln({"sample", trained().folder, "--prompt", "one two", "--max-tokens", "5", "--seed", "1"});
  EXPECT_EQ(text.code, 0) << text.err;
  const Outcome outcome =
      run_kiln({"sample", trained().folder, "--prompt", "one two", "--max-tokens", "5", "--samples", "2", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json samples = json::parse(outcome.out);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0]["prompt"], "one two");
  EXPECT_EQ(samples[0]["tokens"], 5);
  EXPECT_EQ(samples[0]["finish_reason"], "length");
}

TEST(InspectCommand, ShowsADistributionAtEveryPosition) {
  const Outcome outcome = run_kiln({"inspect", trained().folder, "--prompt", "one two", "--top", "3", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json entries = json::parse(outcome.out);
  ASSERT_EQ(entries.size(), 6u);  // "one two" is 7 bytes, the first of which nothing predicts
  EXPECT_EQ(entries[0]["top"].size(), 3u);
  EXPECT_NEAR(entries[0]["loss"].get<double>(), -std::log(entries[0]["probability"].get<double>()), 1e-5);
  EXPECT_EQ(run_kiln({"inspect", trained().folder, "--prompt", "one two", "--untrained"}).code, 0);
}

// A token of a byte model is often a part of a character: its value is shown, as no character stands for it.
TEST(InspectCommand, PartsOfCharactersAreShownByTheirBytes) {
  const std::string text = "a\u00e9";  // 61 C3 A9
  const Outcome table = run_kiln({"inspect", trained().folder, "--prompt", text, "--top", "1"});
  ASSERT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, AllOf(HasSubstr("came <0xC3>:"), HasSubstr("came <0xA9>:"), Not(HasSubstr("\uFFFD"))));
  const Outcome outcome = run_kiln({"inspect", trained().folder, "--prompt", text, "--top", "1", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json entries = json::parse(outcome.out);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0]["token"]["bytes"], json({0xC3}));
  EXPECT_EQ(entries[0]["token"]["text"], "\uFFFD");
}

TEST(SampleCommand, SaysOnceWhatLiesBeyondTheContext) {
  const std::vector<std::string> sample{"sample", trained().folder, "one two", "--samples", "2", "--max-tokens"};
  const auto error_of = [&](const char* tokens) {
    std::vector<std::string> command = sample;
    command.emplace_back(tokens);
    const Outcome outcome = run_kiln(command);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.err;
  };
  const std::string beyond = error_of("11");  // 7 of the 16 positions are the prompt's; the last token needs none
  const std::string said = "the model's context is 16 tokens: after 10 of a sample";
  EXPECT_THAT(beyond, HasSubstr(said + ", and whenever it is full, the model forgets the older half of it"));
  EXPECT_EQ(beyond.find(said), beyond.rfind(said));
  EXPECT_THAT(error_of("10"), Not(HasSubstr("context is")));
}

TEST(PlotCommand, DrawsATrainedRun) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  EXPECT_EQ(run_kiln({"plot", run.folder}).code, 0);
  EXPECT_TRUE(std::filesystem::exists(run.folder + "/loss.svg"));
}

TEST(TokenizerCommand, ReadsTheTokenizerOfARunAndOfACheckpoint) {
  const std::string run = trained().folder;
  for (const std::string& path : {run, run + "/checkpoints/step-00000020"}) {
    EXPECT_EQ(run_kiln({"tokenizer", "encode", "--tokenizer", path}, "ab\n").out, "97 98 10") << path;
  }
}

TEST(EvalCommand, ScoresInBfloat16WhereAskedTo) {
  const double wide = eval(trained().folder)["loss"].get<double>();
  const double narrow = eval(trained().folder, {"--precision", "bf16"})["loss"].get<double>();
  EXPECT_NE(narrow, wide);
  EXPECT_NEAR(narrow, wide, 0.02 * wide);
}

TEST(SampleCommand, SamplesInBfloat16WhereAskedTo) {
  const Outcome outcome = run_kiln({"sample", trained().folder, "--prompt", "one two", "--greedy", "--max-tokens", "30",
                                    "--precision", "bf16", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out)[0]["tokens"], 30);
  EXPECT_EQ(run_kiln({"sample", trained().folder, "--precision", "fp8"}).code, 2);
}

TEST(TrainCommand, ABfloat16RunIsSampledAndScoredInItsOwnPrecision) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.precision=bf16", "--set", "train.eval_tokens=all"}).code, 0);
  const double own = eval(run.folder, {"--checkpoint", "latest"})["loss"].get<double>();
  const std::string metrics = read_file(run.folder + "/metrics.jsonl");
  const json row = json::parse(metrics.substr(metrics.rfind('\n', metrics.size() - 2) + 1));
  EXPECT_EQ(own, row["validation_loss"].get<double>());
  EXPECT_NE(own, eval(run.folder, {"--checkpoint", "latest", "--precision", "fp32"})["loss"].get<double>());
}

TEST(TrainCommand, AConfigThatCannotBeTrainedCostsNobodyARun) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  const Outcome missing = run.train({"--overwrite", "--set", "data.train=[\"nope.txt\"]"});
  EXPECT_EQ(missing.code, 2) << missing.err;
  const Outcome huge = run.train({"--overwrite", "--set", "train.batch_size=100000000"});
  EXPECT_EQ(huge.code, 2) << huge.err;
  const Outcome its_own_source = run.train({"--overwrite", "--set", "init_from=" + run.folder});
  EXPECT_EQ(its_own_source.code, 2);
  EXPECT_THAT(its_own_source.err, HasSubstr("lies in --run " + run.folder));
  EXPECT_EQ(run_kiln({"eval", run.folder}).code, 0);
  EXPECT_EQ(run.train({"--overwrite", "--set", "train.steps=3"}).code, 0);
  EXPECT_FALSE(std::filesystem::exists(run.folder + "/checkpoints/step-00000020"));
}

TEST(TrainCommand, ARunKeepsItsKindOfOptimizer) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=1"}).code, 0);
  const Outcome outcome = run.train({"--resume", "--set", "train.steps=2", "--set", "optimizer.type=sgd"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("stay the same within a run:\n  /optimizer/type: \"adamw\" -> \"sgd\""));
}

TEST(TrainCommand, AStartThatFailedIsStartedAgainWithoutAFlag) {
  const SmallRun run;
  EXPECT_EQ(run.train({"--set", "data.train=[\"nope.txt\"]"}).code, 2);
  EXPECT_EQ(run.train({"--set", "train.steps=3"}).code, 0);
}

TEST(TrainCommand, LogEveryNoughtPrintsNoStepLines) {
  const SmallRun run;
  const Outcome outcome = run.train({"--set", "train.log_every=0"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, ::testing::Not(HasSubstr("step 20/20")));
  EXPECT_THAT(outcome.err, HasSubstr("step 20: validation loss"));
}

TEST(TrainCommand, WatchesSamplesThatGoOnFromAPrompt) {
  const SmallRun run;
  const Outcome outcome = run.train({"--watch-samples", "--prompt", "7"});  // a text, though it looks like a number
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* step : {"6", "12", "18", "20"})
    EXPECT_THAT(outcome.err, HasSubstr(std::string("step ") + step + ": sample\n7")) << step;
  EXPECT_THAT(outcome.err, ::testing::Not(HasSubstr("step 10: sample")));
  EXPECT_EQ(json::parse(read_file(run.folder + "/config.json"))["train"]["sample_prompt"], "7");
}

TEST(TrainCommand, WatchesSamplesFromTheConfigsPromptOrFromNothing) {
  const SmallRun run;
  const Outcome outcome = run.train({"--set", "train.sample_prompt=one two", "--watch-samples"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("step 6: sample\none two"));
  const Outcome anew = run.train({"--overwrite", "--watch-samples"});
  EXPECT_THAT(anew.err, HasSubstr("step 6: sample\n"));
}

TEST(TrainCommand, ASamplePromptThatCannotBeEncodedIsRefusedBeforeAStep) {
  const SmallRun run;
  const Outcome outcome = run.train({"--set", "tokenizer.type=char", "--watch-samples", "--prompt", "Zebra"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("'Z'"));
  EXPECT_FALSE(std::filesystem::exists(run.folder + "/checkpoints"));
}

TEST(TrainCommand, JsonTellsWhereTheRunStandsAndStandsAlone) {
  const SmallRun run;
  const Outcome outcome = run.train({"--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json result = json::parse(outcome.out);
  EXPECT_EQ(result["run"], run.folder);
  EXPECT_EQ(result["finished"], true);
  EXPECT_EQ(result["exit_code"], 0);
  EXPECT_EQ(result["step"], 20);
  EXPECT_EQ(result["total_steps"], 20);
  EXPECT_EQ(result["tokens"], 20 * 4 * 16);
  EXPECT_GT(result["seconds"], 0);
  EXPECT_LE(result["best_validation_loss"], result["validation_loss"]);
  const Outcome again = run.train({"--json", "--resume"});  // nothing is left to do
  EXPECT_EQ(json::parse(again.out), result);
}

TEST(TrainCommand, NoStepIsFasterThanTheMachine) {
  const SmallRun run;
  const std::string log = run.train().err;
  const std::regex share("([0-9]+)% of peak");
  const std::vector<std::smatch> shares(std::sregex_iterator(log.begin(), log.end(), share), {});
  EXPECT_EQ(shares.size(), 20u);
  for (const std::smatch& found : shares) EXPECT_LE(std::stoi(found[1]), 100);
}

TEST(TrainCommand, ATimeBudgetTakesThePlaceOfSteps) {
  const SmallRun run;
  const std::vector<std::string> budget{"--set", "train.time_budget=1.5s"};
  const Outcome outcome = run.train(budget);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, ContainsRegex("step +[0-9]+/~[0-9]+ .*ETA"));
  EXPECT_THAT(outcome.err, ContainsRegex("step +[0-9]+/[0-9]+ "));  // the last one knows
  const Outcome again = run.train({"--set", "train.time_budget=1.5s", "--resume"});
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.err, HasSubstr("the time budget of 1.5 s is used up; raise train.time_budget to continue"));
}

TEST(TrainCommand, ALongWarmupThatIsClippedIsNoChangeOfConfig) {
  const SmallRun run;
  EXPECT_THAT(run.train({"--set", "schedule.warmup_steps=100"}).err,
              HasSubstr("schedule.warmup_steps 100 is longer than the run of 20 steps: the learning rate rises until"));
  const Outcome again = run.train({"--resume", "--set", "schedule.warmup_steps=100", "--set", "train.steps=22"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("/train/steps: 20 -> 22"));
  EXPECT_THAT(again.err, ::testing::Not(HasSubstr("/schedule/warmup_steps")));
}

/// The README's claim of a probability for every possible next token, before anything was learned.
TEST(SampleCommand, FirstGuessesDrawEveryTokenAboutAsOften) {
  const Outcome outcome = run_kiln({"sample", trained().folder, "--checkpoint", "0", "--max-tokens", "100", "--samples",
                                    "64", "--seed", "3", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Outcome inspected =
      run_kiln({"inspect", trained().folder, "--untrained", "--prompt", "on", "--top", "256", "--json"});
  double total = 0;
  const json predictions = json::parse(inspected.out);
  for (const json& entry : predictions[0]["top"]) {
    const double probability = entry["probability"].get<double>();
    EXPECT_GT(probability, 0.5 / 256);
    EXPECT_LT(probability, 2.0 / 256);
    total += probability;
  }
  EXPECT_NEAR(total, 1.0, 1e-4);
  Index drawn = 0;
  const json samples = json::parse(outcome.out);
  for (const json& sample : samples) drawn += sample["tokens"].get<Index>();
  EXPECT_EQ(drawn, 6400);
}

TEST(TrainCommand, APromptIsForSamplesThatAreAskedFor) {
  const SmallRun run;
  const Outcome refused = run.train({"--prompt", "one"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("add --watch-samples"));
  EXPECT_FALSE(std::filesystem::exists(run.folder));
}

TEST(TrainCommand, TakesTheThreadsOfTheEnvironmentUnlessTheConfigSays) {
  for (const auto& [setting, expected] : {std::pair("train.threads=0", 1), std::pair("train.threads=2", 2)}) {
    const SmallRun run;
    std::vector<std::string> command{"env", "OMP_NUM_THREADS=1"};
    for (const std::string& word : run.training({"--set", "train.steps=1", "--set", setting})) command.push_back(word);
    ASSERT_EQ(testing::run(command).code, 0);
    const std::string state = run.folder + "/checkpoints/step-00000001/trainer.json";
    EXPECT_EQ(json::parse(read_file(state))["threads"], expected);
  }
}

TEST(InspectCommand, WhatComesNextIsOneDistribution) {
  const Outcome outcome = run_kiln({"inspect", trained().folder, "--prompt", "o", "--next", "--top", "1000", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  double sum = 0;
  for (const json& entry : json::parse(outcome.out)) sum += entry["probability"].get<double>();
  EXPECT_NEAR(sum, 1, 1e-5);
  const Outcome table = run_kiln({"inspect", trained().folder, "--prompt", "one", "--next"});
  EXPECT_THAT(table.out, ::testing::StartsWith("after \"e\" may come\n"));
}

TEST(EvalCommand, TellsDocumentsApartAsItIsTold) {
  const testing::Scratch scratch;
  const std::string text = scratch.write("two.txt", "one two\n<|endoftext|>\none two\n");
  const auto tokens = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--data", text});
    return eval(trained().folder, more)["tokens"].get<int>();
  };
  EXPECT_LT(tokens({"--document-separator", "<|endoftext|>"}), tokens({}));
}

TEST(SampleCommand, NumbersAreDecimal) {
  const auto tokens = [](const char* count) {
    return json::parse(run_kiln({"sample", trained().folder, "--max-tokens", count, "--json"}).out)[0]["tokens"];
  };
  EXPECT_EQ(tokens("010"), 10);
}

TEST(InspectCommand, WhatBeganWithATrainedModelWasNeverUntrained) {
  const SmallRun run;
  const Outcome tuned = run.train({"--set", "init_from=" + trained().folder, "--set", "train.steps=2"});
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  const std::string imported = run.scratch.path("imported").string();
  ASSERT_EQ(run_kiln({"import", trained().folder, "--run", imported}).code, 0);
  for (const std::string& folder : {run.folder, imported}) {
    const Outcome outcome = run_kiln({"inspect", folder, "--untrained", "--prompt", "one"});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("--untrained: " + folder + " started from trained weights (init_from)"));
  }
}

TEST(SampleCommand, TakesThePromptAsAWordOfItsOwn) {
  const std::vector<std::string> rest{"--max-tokens", "8", "--json"};
  const auto sample = [&](std::vector<std::string> command) {
    command.insert(command.end(), rest.begin(), rest.end());
    return run_kiln(command).out;
  };
  EXPECT_EQ(sample({"sample", trained().folder, "one two"}),
            sample({"sample", trained().folder, "--prompt", "one two"}));
  EXPECT_EQ(run_kiln({"sample", trained().folder, "one", "--prompt", "two"}).code, 2);
}

}  // namespace
}  // namespace kiln
