// kiln export: what is written, read by programs that share nothing with kiln; what is refused; what is replaced.
#include "kiln/core/file.h"
#include "kiln/interop/llmc.h"
#include "kiln/tensor/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/small_run.h"
#include <filesystem>
#include <fstream>
#include <set>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run_kiln;
using testing::SmallRun;

using Words = std::vector<std::string>;

const Words kGpt2{"--set", "model.activation=gelu_new", "--set", "model.n_layers=2"};
const Words kLlama{"--set", "model.activation=swiglu", "--set", "model.norm=rmsnorm", "--set", "model.position=rope",
                   "--set", "model.bias=false",        "--set", "model.n_kv_heads=1", "--set", "model.d_head=6",
                   "--set", "model.n_layers=2",        "--set", "model.d_mlp=24",     "--set", "model.rope_theta=300"};
const Words kEndOfText{"--set", R"(tokenizer.special_tokens=["<|endoftext|>"])"};

/// A trained run and what is exported of it.
class Export : public ::testing::Test {
 protected:
  void train(Words architecture, const Words& more = {}) {
    architecture.insert(architecture.end(), more.begin(), more.end());
    const Outcome outcome = run_.train(architecture);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }

  std::string path(std::string_view name) const { return run_.scratch.path(name).string(); }

  Outcome write(const std::string& target, std::string_view name, const Words& more = {}) const {
    Words arguments{"export", run_.folder, "--to", target, "--output", path(name)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_kiln(arguments);
  }

  void expect_written(const std::string& target, std::string_view name, const Words& more = {}) const {
    const Outcome outcome = write(target, name, more);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(std::string(name) + ": "));
  }

  void expect_refused(const Outcome& outcome, const Words& parts) const {
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    for (const std::string& part : parts) EXPECT_THAT(outcome.err, HasSubstr(part));
    for (const std::string& left : files_in(".")) EXPECT_THAT(left, Not(::testing::StartsWith(".tmp")));
  }

  std::set<std::string> files_in(std::string_view folder) const {
    std::set<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(run_.scratch.path(folder)))
      names.insert(entry.path().filename().string());
    return names;
  }

  static std::string greedy(const std::string& model) {
    const Outcome outcome = run_kiln({"sample", model, "--prompt", "one two", "--greedy", "--max-tokens", "12"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  }

  SmallRun run_;
};

/// The same, read by tests/oracles; skipped where there is no Python to run them.
class ForeignExport : public Export {
 protected:
  void SetUp() override {
    if (testing::run({"python3", "-c", "import sys; sys.exit(sys.version_info < (3, 9))"}).code != 0)
      GTEST_SKIP() << "no python3 of 3.9 or newer: exports are not read by a program of its own";
  }

  static void expect_sound(Words arguments, const std::string& part) {
    arguments.insert(arguments.begin(), {"python3", std::string(KILN_SOURCE_DIR) + "/tests/oracles/check_exports.py"});
    const Outcome outcome = testing::run(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr(part));
  }

  /// Expects that the oracles' model, from the file's weights, gives every token the probability that `model` says.
  void expect_predictions(const std::string& format, std::string_view name, const std::string& model) const {
    const std::string text = "three one ten;";
    const Outcome ids = run_kiln({"tokenizer", "encode", "--tokenizer", model, "--json"}, text);
    const Outcome predictions = run_kiln({"inspect", model, "--prompt", text, "--top", "100000", "--json"});
    ASSERT_EQ(predictions.code, 0) << predictions.err;
    const std::string expected = run_.scratch.write("predictions.json", predictions.out);
    expect_sound({"logits", format, path(name), ids.out, expected}, "log probabilities, equal within");
  }

  void expect_tokenizer() const {
    expect_sound({"tokenizer", path("a.gguf"), path("a") + "/tokenizer.json"}, "tokens");
  }
};

TEST_F(ForeignExport, Gpt2GivesTheSameProbabilitiesInEveryFormat) {
  train(kGpt2, kEndOfText);
  expect_written("hf", "a");
  expect_written("gguf", "a.gguf");
  expect_written("llmc", "a.bin");
  expect_predictions("hf", "a", run_.folder);
  expect_predictions("gguf", "a.gguf", run_.folder);
  expect_predictions("llmc", "a.bin", run_.folder);
  expect_tokenizer();
}

TEST_F(ForeignExport, Gpt2WithoutASecondHeadGivesTheSameProbabilities) {
  train(kGpt2);
  expect_written("gguf", "with.gguf");
  expect_written("gguf", "without.gguf", {"--omit-tied-head"});
  EXPECT_LT(fs::file_size(path("without.gguf")), fs::file_size(path("with.gguf")));
  expect_predictions("gguf", "without.gguf", run_.folder);
}

TEST_F(ForeignExport, Gpt2WithoutBiasesAndUntiedToo) {
  train(kGpt2, {"--set", "model.bias=false", "--set", "model.tie_embeddings=false"});
  expect_written("hf", "a");
  expect_written("gguf", "a.gguf");
  expect_predictions("hf", "a", run_.folder);
  expect_predictions("gguf", "a.gguf", run_.folder);
}

TEST_F(ForeignExport, LlamaGivesTheSameProbabilitiesRotatedAsLlamaCppDoes) {
  for (const char* tied : {"model.tie_embeddings=true", "model.tie_embeddings=false"}) {
    train(kLlama, {"--overwrite", "--set", tied, "--set", "tokenizer.type=char", "--set",
                   R"(tokenizer.special_tokens=["<|endoftext|>"])"});
    expect_written("hf", "a", {"--overwrite"});
    expect_written("gguf", "a.gguf", {"--overwrite"});
    expect_predictions("hf", "a", run_.folder);
    expect_predictions("gguf", "a.gguf", run_.folder);
    expect_tokenizer();
  }
}

TEST_F(ForeignExport, BpeOfEveryPatternKeepsItsTokensAndMerges) {
  for (const char* pattern : {"tokenizer.pattern=gpt2", "tokenizer.pattern=cl100k", "tokenizer.pattern=gpt2_digits"}) {
    train(kLlama, {"--overwrite", "--set", "tokenizer.type=bpe", "--set", "tokenizer.vocab_size=270", "--set", pattern,
                   "--set", R"(tokenizer.special_tokens=["<|endoftext|>", "<|other|>"])"});
    expect_written("hf", "a", {"--overwrite"});
    expect_written("gguf", "a.gguf", {"--overwrite"});
    expect_tokenizer();
    expect_predictions("gguf", "a.gguf", run_.folder);
  }
}

TEST_F(ForeignExport, HalfPrecisionIsTheNearest) {
  train(kGpt2);
  for (const std::string format : {"hf", "gguf", "llmc"}) {
    expect_written(format, format);
    for (const auto& [option, type] : {std::pair("f16", "F16"), std::pair("bf16", "BF16")}) {
      if (format == "llmc" && std::string_view(option) == "f16") continue;
      expect_written(format, format + option, {"--dtype", option});
      expect_sound({"rounded", format, path(format), path(format + option), type}, std::string("rounded to ") + type);
    }
  }
  expect_predictions("hf", "hfbf16", path("hfbf16"));  // kiln reads it, too
}

TEST_F(Export, AHuggingFaceFolderHoldsTheModelAloneAndIsAModelAgain) {
  train({});  // relu, which llama.cpp has no GPT-2 with
  expect_written("hf", "a");
  EXPECT_EQ(files_in("a"), (std::set<std::string>{"config.json", "generation_config.json", "model.safetensors",
                                                  "tokenizer.json", "tokenizer_config.json"}));
  EXPECT_EQ(fs::file_size(run_.scratch.path("a/model.safetensors")),
            fs::file_size(fs::path(run_.folder) / "checkpoints/step-00000020/model.safetensors"));
  EXPECT_EQ(greedy(path("a")), greedy(run_.folder));
  EXPECT_EQ(run_kiln({"export", path("a"), "--to", "hf", "--output", path("b") + "/"}).code, 0);
  for (const std::string& name : files_in("a"))
    EXPECT_EQ(read_file(run_.scratch.path("a/" + name)), read_file(run_.scratch.path("b/" + name))) << name;
}

TEST_F(Export, AHeadIsLeftOutWhereItIsASecondCopyAlone) {
  train(kGpt2);
  expect_refused(write("hf", "a", {"--omit-tied-head"}), {"--omit-tied-head is for --to gguf"});
  train(kGpt2, {"--overwrite", "--set", "model.tie_embeddings=false"});
  expect_refused(write("gguf", "a.gguf", {"--omit-tied-head"}),
                 {"is a matrix of its own", "model.tie_embeddings false"});
}

TEST_F(Export, ACheckpointIsChosenAsElsewhere) {
  train(kGpt2);
  expect_written("llmc", "first.bin", {"--checkpoint", "0"});
  expect_written("llmc", "last.bin", {"--checkpoint", "latest"});
  const SafetensorsFile saved(fs::path(run_.folder) / "checkpoints/step-00000000/model.safetensors");
  const LlmcModel first = read_llmc_model(run_.scratch.path("first.bin")),
                  last = read_llmc_model(run_.scratch.path("last.bin"));
  const ConstVec<float> found = std::as_const(*first.weights).vec(first.model->layout.find("wte.weight"));
  EXPECT_TRUE(std::ranges::equal(saved.read<float>("wte.weight"), found));
  EXPECT_FALSE(first.weights->all() == last.weights->all());
}

/// The ids of special tokens that only a config.json of others knows are kept.
TEST_F(Export, IdsThatAFolderNamesAreKept) {
  train(kGpt2);
  expect_written("hf", "a");
  const fs::path config = run_.scratch.path("a/config.json");
  Json json = parse_json(read_file(config), "config");
  EXPECT_EQ(json["eos_token_id"], nullptr);
  json["bos_token_id"] = 7;
  json["eos_token_id"] = {9, 10};
  write_file_synced(config, json.dump());
  ASSERT_EQ(run_kiln({"export", path("a"), "--to", "hf", "--output", path("b")}).code, 0);
  json = parse_json(read_file(run_.scratch.path("b/config.json")), "config");
  EXPECT_EQ(json["bos_token_id"], 7);
  EXPECT_EQ(json["eos_token_id"], (Json{9, 10}));
  EXPECT_THAT(write("gguf", "of_run.gguf").err, HasSubstr("warning: the model names no token that ends a text"));
  const Outcome outcome = run_kiln({"export", path("a"), "--to", "gguf", "--output", path("a.gguf")});
  EXPECT_THAT(outcome.err, Not(HasSubstr("warning")));
}

TEST_F(Export, WhatTheOtherProgramWouldComputeOtherwiseIsRefusedWithEveryReason) {
  train({"--set", "model.n_kv_heads=1", "--set", "model.d_mlp=24", "--set", "model.tie_embeddings=false"});
  expect_refused(write("gguf", "a.gguf"),
                 {"error: " + run_.folder + ": --to gguf cannot hold this model:\n",
                  "\n  model.activation is relu; llama.cpp's gpt2 has gelu_new\n",
                  "\n  model.n_kv_heads is 1; llama.cpp's gpt2 has 2\n", "--to hf takes every model"});
  expect_refused(write("llmc", "a.bin", {"--dtype", "f16"}),
                 {"model.activation is relu; llm.c has gelu_new", "model.n_kv_heads is 1", "model.d_mlp is 24",
                  "model.tie_embeddings is false", "llm.c's model files hold f32 or bf16, not f16"});
  EXPECT_FALSE(fs::exists(path("a.gguf")) || fs::exists(path("a.bin")));
  const Outcome outcome = write("hf", "a");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("warning: transformers has no class for this architecture"));
}

TEST_F(Export, NothingIsReplacedUnasked) {
  train(kGpt2);
  expect_refused(run_kiln({"export", run_.folder, "--to", "hf", "--output", ""}), {"--output is empty"});
  expect_refused(write("hf", "none/a"), {"--output " + path("none/a") + ": there is no folder"});
  for (const auto& [target, name] : {std::pair("hf", "a"), std::pair("gguf", "a.gguf"), std::pair("llmc", "a.bin")}) {
    expect_written(target, name);
    expect_refused(write(target, name), {"exists already; --overwrite replaces it"});
    expect_written(target, name, {"--overwrite", "--checkpoint", "0"});
  }
  expect_refused(write("hf", "a.bin", {"--overwrite"}), {"a.bin: exists and is not a folder"});
  expect_refused(write("gguf", "a", {"--overwrite"}), {"a: exists and is not a file"});
  fs::create_directory(path("empty"));
  expect_written("hf", "empty");
}

TEST_F(Export, AFolderIsReplacedWhereALinkLeads) {
  train(kGpt2);
  expect_written("hf", "a");
  fs::create_directory_symlink(path("a"), path("link"));
  expect_written("hf", "link", {"--overwrite", "--checkpoint", "0"});
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(hash_file(path("a") + "/model.safetensors"), hash_file(path("link") + "/model.safetensors"));
}

TEST_F(Export, AFolderThatCannotBePutInPlaceIsRefusedBeforeAnyWork) {
  const std::string none = path("none");  // a model's: looked for after the place
  fs::create_directory_symlink(path("nowhere"), path("link"));
  expect_refused(run_kiln({"export", none, "--to", "hf", "--output", path("link")}),
                 {"--output " + path("link") + ": is a broken link"});
  fs::create_directory(path("here"));
  expect_refused(run_kiln({"export", none, "--to", "hf", "--output", "."}, "", path("here")),
                 {"--output .: is the working directory"});
}

/// Row 4: what was there stays, and nothing else is left. The limit on files' sizes stands for the disk.
/// Half a megabyte fits, as much as ThreadSanitizer writes for itself.
TEST_F(Export, AFullDiskExitsFiveAndLeavesTheOldExport) {
  train(kGpt2, {"--set", "model.d_model=128", "--set", "model.d_head=64", "--set", "model.d_mlp=512"});
  for (const auto& [target, name] : {std::pair("hf", "a"), std::pair("gguf", "a.gguf"), std::pair("llmc", "a.bin")}) {
    expect_written(target, name);
    const std::string file = path(name) + (fs::is_directory(path(name)) ? "/model.safetensors" : "");
    const std::uint64_t before = hash_file(file);
    const Outcome outcome =
        testing::run({"sh", "-c", R"(trap '' XFSZ; ulimit -f 1024; exec "$@")", "sh", KILN_BINARY, "export",
                      run_.folder, "--to", target, "--output", path(name), "--overwrite", "--checkpoint", "0"});
    EXPECT_EQ(outcome.code, 5) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("cannot be written: File too large"));
    EXPECT_EQ(hash_file(file), before);
    for (const std::string& left : files_in(".")) EXPECT_THAT(left, Not(::testing::StartsWith(".tmp")));
  }
}

TEST_F(Export, AFolderThatHoldsOtherThingsIsNotReplacedEvenIfAsked) {
  train(kGpt2);
  const fs::path checkpoint = fs::path(run_.folder) / "checkpoints/step-00000020";
  for (const fs::path& folder : {run_.scratch.path(), fs::path(run_.folder), checkpoint}) {
    const Outcome outcome = run_kiln({"export", run_.folder, "--to", "hf", "--output", folder.string(), "--overwrite"});
    expect_refused(outcome, {"holds ", ", which does not belong to an exported model; kiln would delete it",
                             "Name another folder, or move "});
  }
  EXPECT_EQ(greedy(run_.folder), greedy(checkpoint.string()));
}

}  // namespace
}  // namespace kiln
