// Models from elsewhere: made into runs, and trained on from.
#include "kiln/core/file.h"
#include "kiln/interop/llmc.h"
#include "kiln/run/model_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <string>

namespace kiln {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;
using testing::Scratch;
using testing::SmallRun;

/// A GPT-2 of 7 tokens and 4 positions in llm.c's format, every element 0.
std::string llmc_file(const Scratch& scratch) {
  std::array<std::int32_t, 256> header{20240326, 3, 4, 7, 1, 2, 8, 128};
  constexpr std::size_t kC = 8, kElements = (128 + 4) * kC + 12 * kC * kC + 13 * kC + 2 * kC;
  std::string bytes(reinterpret_cast<const char*>(header.data()), sizeof(header));
  return scratch.write("model.bin", bytes.append(4 * kElements, '\0'));
}

/// The run of a small GPT-2, and the plain Hugging Face folder within its last checkpoint.
struct Pretrained {
  Pretrained() {
    EXPECT_EQ(run.train().code, 0);
    fs::create_directories(folder);
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
      fs::copy(fs::path(run.folder) / "checkpoints/step-00000020" / file, folder / file);
    }
  }

  /// The run's config, but for what init_from brings with it; `keys` takes the place of the model's.
  std::string config(const std::string& from, const Json& keys) const {
    Json json = Json::parse(read_file(run.config));
    json.erase("model");
    json.erase("tokenizer");
    json["init_from"] = from;
    if (!keys.is_null()) json["model"] = keys;
    return run.scratch.write("finetune.json", json.dump());
  }

  SmallRun run;
  fs::path folder = run.scratch.path("huggingface");
};

const Pretrained& pretrained() {
  static const Pretrained model;
  return model;
}

TEST(ImportCommand, AHuggingFaceFolderBecomesARunOfTheSameModel) {
  const Scratch scratch;
  const std::string run = scratch.path("imported").string();
  const Outcome imported = run_kiln({"import", pretrained().folder.string(), "--run", run});
  ASSERT_EQ(imported.code, 0) << imported.err;
  const std::vector<std::string> greedy{"--prompt", "on", "--max-tokens", "20", "--greedy"};
  std::vector<std::string> of_run{"sample", run}, of_source{"sample", pretrained().folder.string()};
  of_run.insert(of_run.end(), greedy.begin(), greedy.end());
  of_source.insert(of_source.end(), greedy.begin(), greedy.end());
  const Outcome sample = run_kiln(of_run);
  EXPECT_EQ(sample.code, 0) << sample.err;
  EXPECT_EQ(sample.out, run_kiln(of_source).out);
  const Outcome again = run_kiln({"import", pretrained().folder.string(), "--run", run});
  EXPECT_EQ(again.code, 2) << again.err;
  EXPECT_EQ(run_kiln({"import", pretrained().folder.string(), "--run", run, "--overwrite"}).code, 0);
}

TEST(ImportCommand, AFileOfLlmcHasIdsForATokenizerUnlessOneIsGiven) {
  const Scratch scratch;
  const std::string file = llmc_file(scratch), run = scratch.path("imported").string();
  const Outcome imported = run_kiln({"import", file, "--run", run});
  ASSERT_EQ(imported.code, 0) << imported.err;
  const Outcome sample = run_kiln({"sample", run, "--prompt", "3 1", "--max-tokens", "5"});
  EXPECT_EQ(sample.code, 0) << sample.err;
  EXPECT_THAT(sample.out, ::testing::ContainsRegex("[0-6]( [0-6])*"));
  const Outcome refused =
      run_kiln({"import", file, "--run", run, "--overwrite", "--tokenizer", pretrained().folder.string()});
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, HasSubstr("entries and the model's embedding 7 rows"));
  EXPECT_EQ(run_kiln({"sample", run, "--prompt", "3 1", "--max-tokens", "5"}).code, 0);  // still there
}

TEST(InitFrom, TrainingBeginsWithTheModelsWeightsAndTokenizer) {
  const Scratch scratch;
  const std::string run = scratch.path("run").string();
  const std::string config = pretrained().config(pretrained().folder.string(), nullptr);
  const Outcome trained = run_kiln({"train", config, "--run", run, "--set", "train.steps=2"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const LoadedModel before = load_model(pretrained().folder.string()), begun = load_model(run, "0");
  EXPECT_EQ(begun.weights->masters().all().matrix(), before.weights->masters().all().matrix());
  EXPECT_EQ(begun.tokenizer->to_json(), before.tokenizer->to_json());
  EXPECT_NE(load_model(run, "2").weights->masters().all().matrix(), before.weights->masters().all().matrix());
  const Outcome resumed = run_kiln({"train", config, "--run", run, "--set", "train.steps=3", "--resume"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resuming at step 2"));
}

TEST(InitFrom, ALearnedContextMayBeShorterAndDropoutAnother) {
  const Scratch scratch;
  const std::string run = scratch.path("run").string();
  const LoadedModel before = load_model(pretrained().run.folder, "latest");
  const Index shorter = before.source.model.n_ctx / 2;
  const std::string config = pretrained().config(pretrained().run.folder, {{"n_ctx", shorter}, {"dropout", 0.1}});
  const Outcome trained = run_kiln({"train", config, "--run", run, "--set", "train.steps=1"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const LoadedModel begun = load_model(run, "0");
  const ConstMat<float> positions = as_const(begun.weights->masters().mat(begun.model->layout.find("wpe.weight")));
  ASSERT_EQ(positions.rows(), shorter);
  EXPECT_EQ(positions, before.weights->masters().mat(before.model->layout.find("wpe.weight")).topRows(shorter));
}

TEST(InitFrom, OtherDifferencesAreListed) {
  const std::string config =
      pretrained().config(pretrained().folder.string(), {{"n_ctx", 4096}, {"n_layers", 7}, {"activaton", "relu"}});
  const Outcome refused = run_kiln({"train", config});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("/model/n_ctx: 4096 is more than the"));
  EXPECT_THAT(refused.err, HasSubstr("/model/n_layers: 7, but init_from has"));
  EXPECT_THAT(refused.err, HasSubstr("/model/activaton: unknown key"));
  const Outcome missing = run_kiln({"train", pretrained().config("nowhere", nullptr)});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("nowhere: does not exist"));
}

TEST(ImportCommand, AFolderWithoutATokenizerTakesTheOneThatIsNamed) {
  const Scratch scratch;
  const fs::path bare = scratch.path("bare"), run = scratch.path("run");
  fs::copy(pretrained().folder, bare);
  fs::remove(bare / "tokenizer.json");
  const std::string tokenizer = pretrained().folder.string();
  EXPECT_EQ(run_kiln({"import", bare.string(), "--run", run.string()}).code, 2);
  const Outcome imported = run_kiln({"import", bare.string(), "--run", run.string(), "--tokenizer", tokenizer});
  EXPECT_EQ(imported.code, 0) << imported.err;
  const std::string config = pretrained().config(bare.string(), nullptr);
  const Outcome trained = run_kiln({"train", config, "--run", scratch.path("tuned").string(), "--set", "train.steps=1",
                                    "--set", "tokenizer.path=" + tokenizer});
  EXPECT_EQ(trained.code, 0) << trained.err;
}

TEST(ImportCommand, WhatAModelCallsItsEndsStaysSo) {
  const Scratch scratch;
  const fs::path model = scratch.path("model"), run = scratch.path("run"), tuned = scratch.path("tuned");
  fs::copy(pretrained().folder, model);
  Json config = Json::parse(read_file(model / "config.json"));
  config["bos_token_id"] = 3;
  config["eos_token_id"] = 5;
  scratch.write("model/config.json", config.dump());
  ASSERT_EQ(run_kiln({"import", model.string(), "--run", run.string()}).code, 0);
  const Outcome trained = run_kiln(
      {"train", pretrained().config(model.string(), nullptr), "--run", tuned.string(), "--set", "train.steps=2"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  for (const fs::path& from : {model, run, tuned}) {
    const SpecialIds ids = load_model(from.string()).ids();
    EXPECT_EQ(ids.begin, 3) << from;
    EXPECT_EQ(ids.end, 5) << from;
    EXPECT_EQ(ids.ends, std::vector<TokenId>{5}) << from;
  }
}

/// Models for chat have <|endoftext|> and end their answers with another token.
TEST(ImportCommand, TheEndThatAModelNamesComesBeforeItsTokenizers) {
  const Scratch scratch;
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", R"(tokenizer.special_tokens=["<|endoftext|>", "<|im_end|>"])"}).code, 0);
  const fs::path model = scratch.path("model"), copy = scratch.path("copy");
  ASSERT_EQ(run_kiln({"export", run.folder, "--to", "hf", "--output", model.string()}).code, 0);
  Json config = Json::parse(read_file(model / "config.json"));
  EXPECT_EQ(config["eos_token_id"], 256);
  config["eos_token_id"] = 257;
  scratch.write("model/config.json", config.dump());
  EXPECT_EQ(load_model(model.string()).ids().end, 257);
  ASSERT_EQ(run_kiln({"export", model.string(), "--to", "hf", "--output", copy.string()}).code, 0);
  EXPECT_EQ(Json::parse(read_file(copy / "config.json"))["eos_token_id"], (Json{257, 256}))
      << "generation_config.json still names the other, which ends samples too";
  EXPECT_EQ(Json::parse(read_file(copy / "tokenizer_config.json"))["eos_token"], "<|im_end|>");
  const LoadedModel other = load_model_with_tokenizer(model.string(), model / "tokenizer.json");
  EXPECT_EQ(other.ids().end, 256) << "the name is of its own tokenizer";
}

/// A warning appears once, whether the model is imported or trained further.
TEST(ImportCommand, AnEndOutsideOfTheVocabularyIsWarnedOf) {
  const Scratch scratch;
  const fs::path model = scratch.path("model");
  fs::copy(pretrained().folder, model);
  Json config = Json::parse(read_file(model / "config.json"));
  config["eos_token_id"] = 50256;
  scratch.write("model/config.json", config.dump());
  const std::string warning = "warning: " + (model / "config.json").string() + ": /eos_token_id: 50256 is ignored";
  const std::string config_file = pretrained().config(model.string(), nullptr);
  for (const Outcome& outcome :
       {run_kiln({"import", model.string(), "--run", scratch.path("imported").string()}),
        run_kiln({"train", config_file, "--run", scratch.path("tuned").string(), "--set", "train.steps=1"})}) {
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const std::size_t at = outcome.err.find(warning);
    EXPECT_NE(at, std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find(warning, at + 1), std::string::npos) << outcome.err;
  }
}

TEST(InitFrom, TheEndThatAModelNamesIsOfItsOwnTokenizer) {
  const SmallRun first, second;
  ASSERT_EQ(first.train({"--set", R"(tokenizer.special_tokens=["<|endoftext|>", "<|x|>"])"}).code, 0);
  const Outcome tuned = second.train(
      {"--set", "init_from=" + first.folder, "--set", R"(tokenizer.special_tokens=["<|x|>", "<|endoftext|>"])"});
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  EXPECT_EQ(load_model(first.folder).ids().end, 256);
  EXPECT_EQ(load_model(second.folder).ids().end, 257);
}

TEST(ImportCommand, WhatIsImportedIsNotReplacedByIt) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  for (const std::string& path : {run.folder, run.folder + "/checkpoints/step-00000020"}) {
    const Outcome outcome = run_kiln({"import", path, "--run", run.folder, "--overwrite"});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("lies in --run " + run.folder));
  }
  EXPECT_EQ(run_kiln({"verify", run.folder}).code, 0);
}

TEST(ImportCommand, TheConfigNamesTheTokenizersPattern) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "tokenizer.type=bpe", "--set", "tokenizer.vocab_size=260", "--set",
                       "tokenizer.pattern=cl100k"})
                .code,
            0);
  const fs::path imported = run.scratch.path("imported");
  ASSERT_EQ(run_kiln({"import", run.folder, "--run", imported.string()}).code, 0);
  EXPECT_EQ(load_model(imported.string()).source.config->tokenizer.pattern, SplitPattern::cl100k);
}

TEST(ImportCommand, AnImportedModelIsEvaluatedOnATextAlone) {
  const Scratch scratch;
  const std::string run = scratch.path("run").string();
  ASSERT_EQ(run_kiln({"import", pretrained().folder.string(), "--run", run}).code, 0);
  const Outcome outcome = run_kiln({"eval", run});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("has no held-out text; name a text with --data FILE"));
}

TEST(InitFrom, ARunGoesOnWhereItsModelHasGone) {
  const Scratch scratch;
  const fs::path base = scratch.path("base");
  const std::string run = scratch.path("run").string();
  fs::copy(pretrained().folder, base);
  const std::string config = pretrained().config(base.string(), nullptr);
  ASSERT_EQ(run_kiln({"train", config, "--run", run, "--set", "train.steps=2"}).code, 0);
  fs::remove_all(base);
  const Outcome resumed = run_kiln({"train", config, "--run", run, "--set", "train.steps=3", "--resume"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resuming at step 2"));
  const Outcome listed = run_kiln({"runs", run, "--json"});
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr("finished"));
}

}  // namespace
}  // namespace kiln
