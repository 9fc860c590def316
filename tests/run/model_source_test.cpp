// What a user may call a model, and what is said where nothing is found.
#include "kiln/run/model_source.h"

#include "kiln/core/file.h"
#include "kiln/interop/llmc.h"
#include "kiln/interop/peft.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/init_from.h"
#include "kiln/run/model_loader.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/log_capture.h"
#include "support/scratch.h"
#include "support/small_checkpoint.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;

using testing::expect_error_with;
using testing::expect_same;
using testing::LogCapture;
using testing::Scratch;
using testing::SmallTraining;

class ModelSources : public ::testing::Test {
 protected:
  ModelSources() {
    for (const std::int64_t step : {0, 10, 20}) save(step, false);
  }
  void save(std::int64_t step, bool is_best) {
    save_checkpoint(run_ / "checkpoints", training_.contents(step), is_best, 9);
  }
  fs::path step(const char* name) const { return run_ / "checkpoints" / name; }

  Scratch scratch_;
  fs::path run_ = scratch_.path("run");
  SmallTraining training_;
};

TEST_F(ModelSources, ARunMeansItsBestWhereThereIsOneElseItsLatest) {
  EXPECT_EQ(find_model_folder(run_), step("step-00000020"));
  save(10, true);
  save(20, false);
  EXPECT_EQ(find_model_folder(run_), step("step-00000010"));
  EXPECT_EQ(find_model_folder(run_, "best"), step("step-00000010"));
  EXPECT_EQ(find_model_folder(run_, "latest"), step("step-00000020"));
  EXPECT_EQ(find_model_folder(run_, "0"), step("step-00000000"));
}

TEST_F(ModelSources, WhatIsNotThereIsNamed) {
  expect_error_with(ExitCode::usage, {"there is no checkpoint of step 15; there are those of 0, 10, 20"},
                    [&] { find_model_folder(run_, "15"); });
  expect_error_with(ExitCode::usage, {"the run has no best checkpoint"}, [&] { find_model_folder(run_, "best"); });
  expect_error_with(ExitCode::usage, {"--checkpoint newest: latest, best or a step is expected"},
                    [&] { find_model_folder(run_, "newest"); });
  expect_error_with(ExitCode::usage, {"nowhere: does not exist; a run directory"},
                    [&] { find_model_folder(scratch_.path("nowhere")); });
  expect_error_with(ExitCode::usage, {"a run directory (with checkpoints/)", "kiln.json", "model.safetensors"},
                    [&] { find_model_folder(scratch_.path()); });
  expect_error_with(ExitCode::usage, {"latest: is a file"}, [&] { find_model_folder(step("latest")); });
  expect_error_with(ExitCode::usage, {"is a single model; --checkpoint is for"},
                    [&] { find_model_folder(step("step-00000010"), "best"); });
  fs::create_directories(scratch_.path("young/checkpoints"));
  expect_error_with(ExitCode::usage, {"young: the run has no checkpoint yet"},
                    [&] { find_model_folder(scratch_.path("young")); });
}

TEST_F(ModelSources, FilesThatAreNoModelAreNamedForWhatTheyAre) {
  expect_error_with(ExitCode::bad_input, {"m.gguf: is GGUF, which kiln writes but does not read"},
                    [&] { open_model(scratch_.write("m.gguf", "GGUF\3")); });
  expect_error_with(ExitCode::bad_input, {"mine.json: is a JSON file; name the run directory"},
                    [&] { open_model(scratch_.write("mine.json", "{}")); });
  const auto expect_kind = [&](std::string_view bytes, const std::string& kind) {
    expect_error_with(ExitCode::bad_input, {"file: is " + kind}, [&] { open_model(scratch_.write("file", bytes)); });
  };
  const std::string expected = "; a run directory (with checkpoints/), a checkpoint folder";
  expect_kind("", "an empty file" + expected);
  expect_kind("seen from afar, a text", "text" + expected);
  expect_kind(std::string(1023, 'a') + "\u00e9 and more", "text" + expected);
  expect_kind({"\2\0\0\0", 4}, "a file that kiln does not know" + expected);
  expect_kind("\x88\xD8\x34\x01", "a token file" + expected);
  expect_kind("PK\3\4", "a zip archive, as PyTorch's models are; save the model with save_pretrained");
  const std::string weights = read_file(step("step-00000010/model.safetensors"));
  expect_kind(weights, "a safetensors file; name the folder that holds it");
}

TEST_F(ModelSources, WhatAFolderLacksIsNamed) {
  const fs::path folder = scratch_.path("hf");
  const auto expect_lack = [&](std::string_view found) {
    expect_error_with(ExitCode::usage, {"hf: ", found}, [&] { open_model(folder); });
  };
  fs::create_directory(folder);
  fs::copy(step("step-00000010/config.json"), folder);
  expect_lack(
      "holds config.json, but no weights: neither model.safetensors nor model.safetensors.index.json is there; copy or "
      "download them too");
  scratch_.write("hf/pytorch_model.bin", "PK");
  expect_lack("holds pytorch_model.bin, which kiln does not read");
  fs::copy(step("step-00000010/model.safetensors"), folder);
  EXPECT_NO_THROW(open_model(folder));
  fs::remove(folder / "config.json");
  expect_lack("holds weights, but no config.json; copy or download that too");
  scratch_.write("begun/lock", "123\n");
  scratch_.write("begun/config.json", "{}");
  expect_error_with(ExitCode::usage, {"begun: the run has no checkpoint yet"},
                    [&] { open_model(scratch_.path("begun")); });
}

TEST_F(ModelSources, ACheckpointFolderIsOpenedWithItsConfig) {
  const ModelSource source = open_model(step("step-00000010"));
  EXPECT_EQ(source.folder, step("step-00000010"));
  EXPECT_EQ(source.config.value().name, "small");
  EXPECT_EQ(source.vocab_size, testing::kSmallVocabulary);
  expect_same(read_huggingface_weights(source.folder, source.model, training_.small.layout()), training_.small.weights);
}

TEST_F(ModelSources, AModelFolderOfOthersIsOpenedByItsConfigJson) {
  for (const char* name : {"kiln.json", "manifest.json", "optimizer.safetensors", "trainer.json"}) {
    fs::remove(step("step-00000010") / name);
  }
  const ModelSource source = open_model(step("step-00000010"));
  EXPECT_FALSE(source.config.has_value());
  EXPECT_EQ(to_json(source.model), to_json(training_.config.model));
}

/// As kiln writes one whose weights come to more than 5 GB.
TEST_F(ModelSources, ACheckpointOfShardsIsAsGoodAsOneOfOneFile) {
  const fs::path folder = step("step-00000010");
  fs::remove(folder / kWeightsFile);
  const FileDigests digests =
      write_huggingface_folder(folder, training_.config.model, testing::kSmallVocabulary, training_.small.weights,
                               {"{}", "{}", {}}, {.type = DataType::f32, .shard_bytes = 900});
  Json manifest = parse_json(read_file(folder / "manifest.json"), "manifest");
  manifest["files"].erase(std::string(kWeightsFile));
  for (const auto& [name, digest] : digests)
    manifest["files"][name] = {{"size", digest.size}, {"xxh3", hex(digest.hash)}};
  write_file_synced(folder / "manifest.json", manifest.dump());
  const ModelSource source = open_model(folder);
  expect_same(read_huggingface_weights(source.folder, source.model, training_.small.layout()), training_.small.weights);
  fs::remove(folder / kWeightsIndex);
  expect_error_with(ExitCode::bad_input, {"model.safetensors.index.json: is missing"}, [&] { open_model(folder); });
}

TEST_F(ModelSources, AdaptersOfAnLlmcFileHaveItsTokenizer) {
  ModelConfig config = testing::small_gpt2();
  const testing::SmallModel base(config);
  write_llmc_model(scratch_.path("base.bin"), config, testing::kSmallVocabulary, base.weights);
  config.lora.rank = 3;
  const testing::SmallModel adapted(config);
  const fs::path folder = scratch_.path("adapters");
  fs::create_directory(folder);
  write_adapters(folder, config, testing::kSmallVocabulary, "../base.bin", adapted.weights);
  const LoadedModel model = load_model(folder.string());
  EXPECT_EQ(model.tokenizer->type(), "none");
  EXPECT_EQ(model.tokenizer->vocab_size(), testing::kSmallVocabulary);
  EXPECT_EQ(own_tokenizer(model.source), nullptr);
  Json document = Json::object();
  Problems problems;
  inherit_model(document, folder, problems);
  EXPECT_EQ(document["tokenizer"], Json({{"type", "none"}, {"vocab_size", testing::kSmallVocabulary}}));
}

/// An explicit path is not replaced by another.
TEST_F(ModelSources, ADamagedCheckpointIsRefused) {
  fs::resize_file(step("step-00000020/model.safetensors"), 50);
  expect_error_with(ExitCode::bad_input, {"model.safetensors: has 50 bytes"}, [&] { open_model(run_); });
}

TEST_F(ModelSources, ADanglingBestGivesTheLatest) {
  write_file_synced(step("best"), "step-00000099\n");
  const LogCapture log;
  EXPECT_EQ(find_model_folder(run_), step("step-00000020"));
}

}  // namespace
}  // namespace kiln
