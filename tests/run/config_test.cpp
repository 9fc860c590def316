// Configs as files: every message a user can provoke, overrides, defaults, differences, and the schema that ships.
#include "kiln/run/config.h"

#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/scratch.h"
#include <fstream>
#include <limits>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using testing::Scratch;

constexpr const char* kTales = R"({"data": {"train": ["data/tales.txt"]}})";

class ConfigFile : public ::testing::Test {
 protected:
  /// Reads `text` as tiny.json in the scratch folder.
  Config read(const std::string& text, const std::vector<std::string>& overrides = {},
              Purpose purpose = Purpose::train) {
    return read_config(scratch_.write("tiny.json", text), overrides, purpose);
  }

  /// Expects exit code 2 and these lines, in which "tiny.json" is the file's path.
  void expect_problems(const std::string& text, std::string lines, const std::vector<std::string>& overrides = {}) {
    const std::string path = scratch_.path("tiny.json").string();
    for (std::size_t at = 0; (at = lines.find("tiny.json", at)) != std::string::npos; at += path.size()) {
      lines.replace(at, std::string_view("tiny.json").size(), path);
    }
    expect_error(ExitCode::usage, lines, [&] { read(text, overrides); });
  }

  Scratch scratch_;
};

TEST_F(ConfigFile, EveryKeyButTheDataHasADefault) {
  const Config config = read(kTales);
  EXPECT_EQ(config.name, "run");
  EXPECT_EQ(config.seed, 1337u);
  EXPECT_EQ(config.tokenizer.type, TokenizerKind::bpe);
  EXPECT_EQ(config.train.steps, 2000);
  EXPECT_EQ(config.train.batch_size.count, 12);
  EXPECT_EQ(config.model.d_head, 32);
  EXPECT_EQ(config.model.n_kv_heads, 4);
  EXPECT_EQ(config.model.d_mlp, 512);
  EXPECT_EQ(config.optimizer.learning_rate, 1e-3);
  EXPECT_EQ(config.directory, scratch_.path());
}

TEST_F(ConfigFile, TheDefaultsAreTheDocumentedOnes) {
  EXPECT_EQ(config_to_json(read(kTales)), Json::parse(R"({
    "name": "run", "seed": 1337, "init_from": null,
    "tokenizer": {"type": "bpe", "vocab_size": 1024, "pattern": "gpt2", "special_tokens": ["<|endoftext|>"],
      "start_of_text": null, "end_of_text": null, "path": null},
    "chat": {"template": "auto"},
    "data": {"train": ["data/tales.txt"], "mix": [], "validation": [], "validation_fraction": 0.1, "document_separator": null,
             "include": ["*.txt", "*.jsonl"], "text_field": "text", "attend_across_documents": true},
    "objective": {"type": "next_token", "supervise": "assistant", "too_long": "drop", "beta": 0.1, "reference": null,
      "label_smoothing": 0.0, "nll_weight": 0.0, "ranking": "pairs", "weight_of": "prompt"},
    "policy": {"rewards": [], "gold": [], "prompts": 16, "answers": 8, "max_tokens": 128, "temperature": 1.0,
      "minibatches": 1, "passes": null, "baseline": "preset", "scale": "preset", "loss_type": "dapo",
      "kl": "k1_in_reward", "kl_target": null, "kl_horizon": 10000.0, "kl_limit": null, "clip_low": null,
      "clip_high": null, "gamma": 1.0, "gae_lambda": 0.95, "value_weight": 0.1, "value_clip": 0.2, "value_warmup": 0},
    "model": {"n_layers": 4, "d_model": 128, "n_heads": 4, "n_kv_heads": 4, "d_head": 32, "d_mlp": 512, "n_ctx": 64,
      "activation": "relu", "norm": "layernorm", "position": "learned", "rope_theta": 10000.0, "bias": true,
      "qk_norm": false, "tie_embeddings": true, "dropout": 0.0,
      "init": {"scheme": "gpt2", "std": 0.02, "zero_residual_projections": false}, "norm_epsilon": 1e-5},
    "lora": {"rank": 0, "alpha": 32.0, "dropout": 0.0, "targets": ["linear"], "rslora": false},
    "optimizer": {"type": "adamw", "learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8,
      "weight_decay": 0.1, "momentum": 0.0, "nesterov": false, "clip_norm": 1.0, "muon_learning_rate": 0.02,
      "muon_momentum": 0.95, "decay_embeddings": true},
    "schedule": {"type": "cosine", "warmup_steps": 100, "min_ratio": 0.1, "decay_fraction": 0.4},
    "train": {"steps": 2000, "epochs": null, "time_budget": null, "batch_size": 12, "gradient_accumulation": 1, "order": "shuffle",
      "precision": "fp32", "freeze": [], "recompute": "none", "eval_every": 250, "eval_tokens": "auto", "checkpoint_every": 500, "async_checkpoint": true, "keep_checkpoints": 3, "log_every": 10,
      "sample_every": 0, "sample_at_evaluations": false, "sample_prompt": "", "early_stopping": null, "spike_threshold": 6.0, "skip_spikes": false, "threads": 0, "deterministic": false, "max_bad_steps": 10, "tensorboard": true},
    "distributed": {"shard": true, "leaves": null, "local_steps": 1, "outer": "nesterov", "outer_learning_rate": 0.7, "outer_momentum": 0.9, "timeout": 600.0}})"));
}

TEST_F(ConfigFile, AllProblemsComeAtOnceEachWithItsPointer) {
  expect_problems(R"({"sead": 1, "dropout": 0.1, "data": {"train": []},
      "tokenizer": {"type": "bqe", "special_tokens": ["a", "", "a"]},
      "model": {"n_heads": 6, "n_kv_heads": 4, "n_layers": -3, "rope_theta": "x"},
      "optimizer": {"learning_rat": 3e-4}, "train": {"steps": 10, "epochs": 2}})",
                  R"(tiny.json: /sead: unknown key; did you mean "seed"?
tiny.json: /dropout: unknown key; did you mean "model.dropout"?
tiny.json: /tokenizer/type: "bqe" is not one of bpe, char, byte, none; did you mean "bpe"?
tiny.json: /model/n_layers: -3 is out of range; at least 1 is expected
tiny.json: /model/rope_theta: "x" is a string; a number is expected
tiny.json: /optimizer/learning_rat: unknown key; did you mean "learning_rate"?
tiny.json: /tokenizer/special_tokens/1: a special token is empty; give it a name, or remove it
tiny.json: /tokenizer/special_tokens/2: "a" is listed twice; keep one of them
tiny.json: /data/train: no text to train on; name a file, folder or glob, as in ["data/tales.txt"]
tiny.json: /model/n_kv_heads: n_heads = 6 is not a multiple of n_kv_heads = 4; every key/value head serves the same number of query heads
tiny.json: /model/n_heads: d_model = 128 is not a multiple of n_heads = 6; change one of them, or set d_head
tiny.json: /train/epochs: steps = 10 and epochs = 2 are given together; keep one of them and set the others to null)");
}

TEST_F(ConfigFile, AMixNamesItsSourcesAndWeights) {
  const Config config =
      read(R"({"objective": {"type": "sft"}, "data": {"mix": [{"files": ["a.jsonl"], "weight": 3}, {"files": "b"}]}})");
  ASSERT_EQ(config.data.mix.size(), 2u);
  EXPECT_THAT(config.data.mix[0].files, ElementsAre("a.jsonl"));
  EXPECT_EQ(config.data.mix[0].weight, 3);
  EXPECT_THAT(config.data.mix[1].files, ElementsAre("b"));
  EXPECT_EQ(config.data.mix[1].weight, 1);
  const Config set = read(R"({"objective": {"type": "sft"}})",
                          {R"(data.mix=[{"files": ["x.jsonl"]}, {"files": ["y.jsonl"], "weight": 0.5}])"});
  ASSERT_EQ(set.data.mix.size(), 2u);
  EXPECT_EQ(set.data.mix[1].weight, 0.5);
  EXPECT_EQ(config_to_json(set)["data"]["mix"][0]["files"], Json::parse(R"(["x.jsonl"])"));
}

TEST_F(ConfigFile, SettingsOfDpoAreRefusedForOtherObjectives) {
  for (const std::string type : {"next_token", "sft", "reward"}) {
    expect_problems(
        fmt::format(R"({{"data": {{"train": ["a"]}}, "objective": {{"type": "{}", "beta": 0.2, "nll_weight": 1}}}})",
                    type),
        fmt::format("tiny.json: /objective/beta: is for dpo, ipo and policy gradients; objective.type is {0}\n"
                    "tiny.json: /objective/nll_weight: is for dpo and ipo; objective.type is {0}",
                    type));
    EXPECT_EQ(read(fmt::format(R"({{"data": {{"train": ["a"]}}, "objective": {{"type": "{}", "beta": 0.1}}}})", type))
                  .objective.beta,
              0.1);
  }
}

TEST_F(ConfigFile, AMixThatCannotBeDrawnFrom) {
  expect_problems(R"({"objective": {"type": "sft"}, "data": {"mix": [{"files": ["a"], "weight": 0},
                      {"files": ["b"], "weight": -1}, {"weight": 1}, {"files": [""]}, {"file": ["c"]}]}})",
                  "tiny.json: /data/mix/0/weight: 0 is out of range; more than 0 and at most 1000000000 is expected\n"
                  "tiny.json: /data/mix/1/weight: -1 is out of range; more than 0 and at most 1000000000 is expected\n"
                  "tiny.json: /data/mix/4/file: unknown key; did you mean \"files\"?");
  expect_problems(R"({"objective": {"type": "sft"}, "data": {"mix": [{"weight": 1}, {"files": [""]}]}})",
                  "tiny.json: /data/mix/0/files: the source has no files; name a file, folder or glob\n"
                  "tiny.json: /data/mix/1/files/0: the name is empty; a path is expected");
  expect_problems(
      R"({"data": {"train": ["a"], "mix": [{"files": ["b"]}]}})",
      "tiny.json: /data/mix: data.train is given too; put its files into a source of the mix, or remove one of both\n"
      "tiny.json: /data/mix: is for conversations (objective.type \"sft\"); name other data in data.train");
}

TEST_F(ConfigFile, SettingsThatCannotStandTogether) {
  const std::vector<std::string> data{"data.train=[\"x\"]"};
  expect_problems(
      R"({"tokenizer": {"vocab_size": 256}})",
      "tiny.json: /tokenizer/vocab_size: 256 is out of range; at least 257 is expected: the 256 bytes and the "
      "special tokens (1)",
      data);
  expect_problems(
      R"({"train": {"batch_size": "all", "gradient_accumulation": 2}})",
      "tiny.json: /train/gradient_accumulation: 2 micro-batches of batch_size \"all\" would be the same one "
      "each time; 1 is expected",
      data);
  expect_problems(R"({"train": {"early_stopping": 3, "eval_every": 0}})",
                  "tiny.json: /train/early_stopping: counts evaluations, but eval_every is 0", data);
  expect_problems(R"({"train": {"sample_at_evaluations": true, "eval_every": 0}})",
                  "tiny.json: /train/sample_at_evaluations: needs evaluations, but eval_every is 0; "
                  "sample_every works without them",
                  data);
  expect_problems(
      R"({"train": {"sample_at_evaluations": true}, "data": {"validation_fraction": 0}})",
      "tiny.json: /train/sample_at_evaluations: needs held-out text; set data.validation or data.validation_fraction",
      data);
  expect_problems(
      R"({"train": {"early_stopping": 3}, "data": {"validation_fraction": 0}})",
      "tiny.json: /train/early_stopping: needs held-out text; set data.validation or data.validation_fraction", data);
  expect_problems(R"({"optimizer": {"nesterov": true}})",
                  "tiny.json: /optimizer/nesterov: looks ahead along the momentum, which is 0; set momentum, as in 0.9",
                  data);
  expect_problems(R"({"name": "", "data": {"validation": [""], "document_separator": ""}})",
                  "tiny.json: /data/validation/0: the name is empty; a path is expected\n"
                  "tiny.json: /data/document_separator: is empty; a text, or null for none, is expected\n"
                  "tiny.json: /name: is empty; it names the folder of the run",
                  data);
  expect_problems(
      R"({"train": {"batch_size": 1000000000000}})",
      "tiny.json: /train/batch_size: 1,000,000,000,000 windows of n_ctx = 64 by 1,024 values are more than can be "
      "counted; lower one of them",
      data);
}

TEST_F(ConfigFile, AVocabularyNeedsNoRoomForBytesWhereNoneIsTrained) {
  EXPECT_NO_THROW(read(kTales, {"tokenizer.type=char", "tokenizer.vocab_size=10"}));
  EXPECT_NO_THROW(read(kTales, {"tokenizer.path=x", "tokenizer.vocab_size=10"}));
}

TEST_F(ConfigFile, WhatIsNoConfigSaysSo) {
  expect_problems("[]", "tiny.json: an array was found; an object is expected", {"seed=1"});
  expect_problems("{\n  \"seed\": 1,\n}",
                  "tiny.json:3:1: not valid JSON: unexpected '}'; expected string literal; remove the comma before it");
  expect_problems(R"({"seed": NaN})", "tiny.json:1:10: not valid JSON: invalid literal");
  expect_problems(
      R"({"train": {"steps": 1}, "train": {}})",
      "tiny.json: /train: the key is given twice; keep one of them\n"
      "tiny.json: /data/train: no text to train on; name a file, folder or glob, as in [\"data/tales.txt\"]");
  const std::string missing = scratch_.path("none.json").string(), folder = scratch_.path().string();
  const std::string advice = ": there is no such config file; kiln new --data FILES writes one for a text";
  expect_error(ExitCode::usage, missing + advice, [&] { read_config(missing); });
  expect_error(ExitCode::usage, folder + ": is a folder; name a config file or a run directory",
               [&] { read_config(folder); });
  const std::string long_name(5000, 'x');  // the system's answer is an error of its own
  expect_error(ExitCode::usage, long_name + advice, [&] { read_config(long_name); });
}

TEST_F(ConfigFile, OverridesAreJsonOrElseText) {
  const Config config = read(kTales, {"optimizer.learning_rate=3e-4", "name=my run", "data.train=[\"a\", \"b\"]",
                                      "train.batch_size=all", "model.bias=false", "model.init.std=0.5",
                                      "tokenizer.path=\"7\"", "data.document_separator=a=b", "seed=1", "seed=2"});
  EXPECT_EQ(config.optimizer.learning_rate, 3e-4);
  EXPECT_EQ(config.name, "my run");
  EXPECT_THAT(config.data.train, ElementsAre("a", "b"));
  EXPECT_TRUE(config.train.batch_size.all);
  EXPECT_FALSE(config.model.bias);
  EXPECT_EQ(config.model.init.std, 0.5);
  EXPECT_EQ(config.tokenizer.path, "7");
  EXPECT_EQ(config.data.document_separator, "a=b");
  EXPECT_EQ(config.seed, 2u);  // the last one counts
}

TEST_F(ConfigFile, ProblemsOfAnOverrideNameIt) {
  expect_problems(kTales, R"(--set seed=-1: /seed: -1 is out of range; at least 0 is expected
--set optimizer.learning_rat=1: /optimizer/learning_rat: unknown key; did you mean "learning_rate"?
--set optimzer.beta1=0: /optimzer: unknown key; did you mean "optimizer"?
--set learning_rate=1: /learning_rate: unknown key; did you mean "optimizer.learning_rate"?
--set train.steps.x=1: /train/steps: an object was found; an integer or null is expected)",
                  {"seed=-1", "optimizer.learning_rat=1", "optimzer.beta1=0", "learning_rate=1", "train.steps.x=1"});
  expect_problems(kTales, "--set seed: key.path=value is expected, as in model.n_layers=6", {"seed"});
  expect_problems(kTales, "--set seed.=1: key.path=value is expected, as in model.n_layers=6", {"seed.=1"});
  expect_problems(kTales, "--set =1: key.path=value is expected, as in model.n_layers=6", {"=1"});
  expect_problems(kTales, "--set name=\uFFFD: is not UTF-8; a config must be", {"name=\xFF"});
  expect_problems(kTales, "--set \uFFFD=1: is not UTF-8; a config must be", {"\xFF=1"});
  expect_problems(kTales,
                  R"(--set model..d_head=1: /model/: unknown key; the keys here are n_layers, d_model, n_heads, )"
                  R"(n_kv_heads, d_head, d_mlp, n_ctx, activation, norm, position, rope_theta, bias, qk_norm, )"
                  R"(tie_embeddings, dropout, init, norm_epsilon)",
                  {"model..d_head=1"});
}

TEST_F(ConfigFile, EpochsOrATimeBudgetStandInPlaceOfSteps) {
  const Config epochs = read(kTales, {"train.epochs=1.5"});
  EXPECT_FALSE(epochs.train.steps);
  EXPECT_EQ(epochs.train.epochs, 1.5);
  for (const char* budget : {"train.time_budget=1h30m", "train.time_budget=5400", "train.time_budget=\"5400s\""}) {
    const Config config = read(kTales, {budget});
    EXPECT_FALSE(config.train.steps || config.train.epochs);
    EXPECT_EQ(config.train.time_budget->seconds, 5400);
  }
}

TEST_F(ConfigFile, AnOverrideWithOneLengthTakesThePlaceOfTheOthers) {
  const std::string steps = R"({"data": {"train": ["a"]}, "train": {"steps": 5}})",
                    budget = R"({"data": {"train": ["a"]}, "train": {"time_budget": "30m"}})";
  EXPECT_FALSE(read(steps, {"train.epochs=1"}).train.steps);
  EXPECT_FALSE(read(steps, {"train.time_budget=60s"}).train.steps);
  EXPECT_FALSE(read(budget, {"train.steps=100"}).train.time_budget);
  EXPECT_EQ(read(budget, {"train.steps=100", "train.epochs=2", "train.steps=7"}).train.steps,
            7);  // the last one counts
  EXPECT_EQ(read(steps, {"train.time_budget=null"}).train.steps, 5);
  EXPECT_EQ(read(budget, {"train.time_budget=null"}).train.steps, 2000);
}

TEST_F(ConfigFile, MoreTokensThanCanBeCountedAreRefused) {
  expect_problems(
      R"({"data": {"train": ["a"]}, "train": {"steps": 9000000000000000000}})",
      "tiny.json: /train/steps: 9,000,000,000,000,000,000 steps of 12 windows of n_ctx = 64 are more tokens than "
      "can be counted");
  expect_problems(
      R"({"data": {"train": ["a"]}, "train": {"time_budget": 1e30}})",
      "tiny.json: /train/time_budget: 1e+30 is out of range; more than 0 and at most 1000000000 is expected");
}

TEST_F(ConfigFile, LengthsInOneFileExcludeEachOther) {
  const auto file = [](const std::string& train) { return R"({"data": {"train": ["a"]}, "train": )" + train + "}"; };
  expect_problems(
      file(R"({"steps": 5, "time_budget": "30m"})"),
      "tiny.json: /train/time_budget: steps = 5 and time_budget = 1800 s are given together; keep one of them "
      "and set the others to null");
  expect_problems(file(R"({"steps": 5, "epochs": 1, "time_budget": 90})"),
                  "tiny.json: /train/time_budget: steps = 5 and epochs = 1 and time_budget = 90 s are given together; "
                  "keep one of them and set the others to null");
  expect_problems(file(R"({"time_budget": "30 minutes"})"),
                  "tiny.json: /train/time_budget: \"30 minutes\" is a string; a duration such as \"90s\", \"30m\" or "
                  "\"1h30m\", a number of seconds or null is expected");
}

TEST_F(ConfigFile, EvaluatedTokensMayBeAutomaticAndBatchesMayNot) {
  expect_problems(R"({"data": {"train": ["a"]}, "train": {"eval_tokens": "some", "batch_size": "auto"}})",
                  "tiny.json: /train/eval_tokens: \"some\" is a string; an integer, \"all\" or \"auto\" is expected\n"
                  "tiny.json: /train/batch_size: \"auto\" is a string; an integer or \"all\" is expected");
}

TEST_F(ConfigFile, APlanNeedsNoData) {
  EXPECT_NO_THROW(read("{}", {}, Purpose::plan));
  EXPECT_THROW(read("{}", {"model.n_heads=3"}, Purpose::plan), Error);
}

TEST_F(ConfigFile, ResolvedConfigsAreReadBackEqual) {
  for (const std::vector<std::string>& overrides :
       {std::vector<std::string>{},
        {"train.epochs=2", "train.batch_size=all", "train.early_stopping=3"},
        {"train.time_budget=1m0.1s"},
        {"model.activation=swiglu", "model.d_model=192", "model.n_kv_heads=2", "data.document_separator=\n\"x\""}}) {
    const Config config = read(kTales, overrides);
    const Config back = config_from_json(parse_json(format_json(config_to_json(config)), "kiln.json"), "kiln.json");
    EXPECT_TRUE(diff(config, back).empty());
    EXPECT_EQ(config_to_json(back), config_to_json(config));
  }
  expect_error(ExitCode::bad_input, "kiln.json: /seed: null was found; an integer is expected", [] {
    config_from_json(Json::parse(R"({"seed": null})"), "kiln.json", Purpose::plan, ExitCode::bad_input);
  });
}

TEST_F(ConfigFile, DifferencesAreListedAndKnowWhetherARunIsBound) {
  const Config before = read(kTales);
  EXPECT_TRUE(diff(before, before).empty());
  const Config after = read(kTales, {"train.time_budget=1h", "model.n_layers=6", "data.train=[\"b\"]",
                                     "model.init.std=0.1", "tokenizer.pattern=cl100k", "name=x"});
  std::vector<std::string> lines;
  for (const Difference& d : diff(before, after)) lines.push_back((d.binds_run() ? "bound " : "free ") + to_string(d));
  EXPECT_THAT(lines, ElementsAre("free /name: \"run\" -> \"x\"", "bound /tokenizer/pattern: \"gpt2\" -> \"cl100k\"",
                                 "free /data/train: [\"data/tales.txt\"] -> [\"b\"]", "bound /model/n_layers: 4 -> 6",
                                 "bound /model/init/std: 0.02 -> 0.1", "free /train/steps: 2000 -> null",
                                 "free /train/time_budget: null -> 3600.0"));
}

TEST_F(ConfigFile, ARunIsBoundToWhetherItsOptimizerHasMomentum) {
  const auto is_bound = [&](const std::string& before, const std::string& after) {
    const std::vector<Difference> differences =
        diff(read(kTales, {"optimizer.momentum=" + before}), read(kTales, {"optimizer.momentum=" + after}));
    return differences.size() == 1 && differences.front().binds_run();
  };
  EXPECT_TRUE(is_bound("0", "0.9"));
  EXPECT_TRUE(is_bound("0.9", "0"));
  EXPECT_FALSE(is_bound("0.9", "0.95"));
}

TEST_F(ConfigFile, ARunThatGoesOnEvaluatesWhatItDidBeforeUnlessToldOtherwise) {
  const Config made_before = read(kTales, {"train.eval_tokens=all"});
  const std::string run = scratch_.write("run/config.json", format_json(config_to_json(made_before)));
  const auto resumed = [&](const std::vector<std::string>& overrides) {
    return to_json(kiln::ConfigFile(scratch_.write("tiny.json", kTales), overrides).config(Purpose::train, run).train);
  };
  EXPECT_EQ(resumed({})["eval_tokens"], "all");
  EXPECT_EQ(resumed({"train.eval_tokens=100"})["eval_tokens"], 100);
  EXPECT_EQ(resumed({"train.eval_tokens=auto"})["eval_tokens"], "auto");
}

TEST_F(ConfigFile, PathsAreOfTheCurrentFolderThenOfTheConfigs) {
  const Config config = read(kTales);
  scratch_.write("mine/text.txt", "x");
  EXPECT_EQ(config.locate("mine/text.txt"), scratch_.path("mine/text.txt"));
  EXPECT_EQ(config.locate("mine/*.txt"), scratch_.path("mine/*.txt"));
  EXPECT_EQ(config.locate("mine"), scratch_.path("mine"));
  EXPECT_EQ(config.locate("nowhere/text.txt"), "nowhere/text.txt");
  EXPECT_EQ(config.locate("/dev/null"), "/dev/null");
  EXPECT_EQ(config.locate("."), ".");
}

// Without init_from, whose model does not ship.
TEST(ShippedConfigs, AreSound) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(KILN_SOURCE_DIR "/configs")) {
    if (entry.path().filename() == "kiln.schema.json") continue;
    EXPECT_NO_THROW(read_config(entry.path(), std::vector<std::string>{"init_from=null"})) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 11);
}

TEST(ShippedConfigs, TheSchemaIsTheGeneratorsOutput) {
  EXPECT_EQ(read_file(KILN_SOURCE_DIR "/configs/kiln.schema.json"), format_json(config_schema()))
      << "regenerate it: kiln train --schema > configs/kiln.schema.json";
}

TEST(ShippedConfigs, TheReferenceInTheDocsIsTheOneThatIsPrinted) {
  EXPECT_THAT(read_file(KILN_SOURCE_DIR "/docs/config.md"), ::testing::EndsWith("## Keys\n\n" + config_reference()))
      << "replace what follows \"## Keys\" by the output of: kiln train --reference";
}

TEST(TrainConfig, AutomaticEvaluationsAreBoundedByTheConfigAlone) {
  TrainConfig train;
  train.eval_every = 100;
  train.batch_size = {.count = 4};
  train.gradient_accumulation = 2;
  train.steps = 1000;
  EXPECT_EQ(train.most_evaluated_tokens(64), 240 * 64);  // of 800 windows
  train.steps = 50;                                      // one evaluation, at the end
  EXPECT_EQ(train.most_evaluated_tokens(64), 120 * 64);
  train.steps.reset();
  train.time_budget = Duration{60};
  EXPECT_EQ(train.most_evaluated_tokens(64), 240 * 64);
  train.eval_every = 1;
  train.batch_size = {.count = 1};
  train.gradient_accumulation = 1;
  EXPECT_EQ(train.most_evaluated_tokens(64), 64);  // a window, of which no part is scored
  train.eval_tokens = {.count = 7};
  EXPECT_EQ(train.most_evaluated_tokens(64), 7);
  train.eval_tokens = {.all = true};
  const std::int64_t all = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(train.most_evaluated_tokens(64), all);
  train.eval_tokens = {.automatic = true};
  train.batch_size = {.all = true};
  EXPECT_EQ(train.most_evaluated_tokens(64), all);
}

TEST(Config, ANameStaysWithinTheFolderOfRuns) {
  for (const char* name : {"../evil", "a/b", "..", "."}) {
    const Json json = {{"name", name}, {"data", {{"train", {"a.txt"}}}}};
    EXPECT_THROW(config_from_json(json, "test"), Error) << name;
  }
}

TEST(Config, WrittenBrieflyItHoldsWhatIsNotDefaultAndReadsBackTheSame) {
  Config config;
  config.name = "brief";
  config.data.train = {"a.txt"};
  config.model.init.std = 0.1;
  const Json brief = brief_config(config);
  EXPECT_EQ(brief, (Json{{"name", "brief"}, {"data", {{"train", {"a.txt"}}}}, {"model", {{"init", {{"std", 0.1}}}}}}));
  config.model.resolve();
  config.train.resolve();
  EXPECT_TRUE(diff(config_from_json(brief, "brief"), config).empty());
}

TEST_F(ConfigFile, StepsOfMoreTokensThanCanBeCountedAreRefused) {
  expect_problems(
      R"({"data": {"train": ["a"]}, "train": {"batch_size": 4, "gradient_accumulation": 4611686018427387904}})",
      "tiny.json: /train/gradient_accumulation: 4611686018427387904 times 4 windows of n_ctx = 64 are more tokens than "
      "can be counted");
  for (const char* batch_size : {"1", "\"all\""}) {
    expect_problems(
        fmt::format(
            R"({{"data": {{"train": ["a"]}}, "model": {{"n_ctx": 2147483647, "d_mlp": 2147483647, "d_model": 8}},
                        "train": {{"batch_size": {}}}}})",
            batch_size),
        "tiny.json: /train/batch_size: 1 window of n_ctx = 2147483647 by 2,147,483,647 values are more than can be "
        "counted; lower one of them");
  }
}

}  // namespace
}  // namespace kiln
