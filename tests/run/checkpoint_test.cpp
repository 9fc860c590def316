// A checkpoint folder: what was saved is what is loaded, and damage is named.
#include "kiln/run/checkpoint.h"

#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/tensor/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/scratch.h"
#include "support/small_checkpoint.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;

using testing::expect_error_with;
using testing::expect_same;
using testing::Scratch;
using testing::SmallTraining;

const std::vector<std::string> kFiles{
    "config.json",    "generation_config.json", "kiln.json",   "model.safetensors", "optimizer.safetensors",
    "tokenizer.json", "tokenizer_config.json",  "trainer.json"};

Json read_json(const fs::path& path) { return parse_json(read_file(path), path.string()); }

TEST(Checkpoint, GivesBackEveryBit) {
  for (const ModelConfig& model : {testing::small_gpt2(), testing::small_llama(6), testing::small_modern()}) {
    const Scratch scratch;
    SmallTraining saved(model), loaded(model, 77);
    saved.config.tokenizer.start_of_text = saved.config.tokenizer.end_of_text = "";  // as a run settles them
    write_checkpoint_folder(scratch.path(), saved.contents(500));
    verify_checkpoint(scratch.path());
    read_huggingface_weights(scratch.path(), model, loaded.small.weights);
    read_optimizer(scratch.path(), loaded.slots());
    expect_same(loaded.small.weights, saved.small.weights);
    expect_same(loaded.m, saved.m);
    expect_same(loaded.v, saved.v);
    EXPECT_EQ(to_json(read_trainer_state(scratch.path())), to_json(saved.state));
    const CheckpointConfig config = read_checkpoint_config(scratch.path());
    EXPECT_EQ(config_to_json(config.config), config_to_json(saved.config));
    EXPECT_EQ(config.vocab_size, testing::kSmallVocabulary);
  }
}

TEST(Checkpoint, ASecondSaveGivesTheSameBytes) {
  const Scratch a, b;
  SmallTraining training;
  write_checkpoint_folder(a.path(), training.contents(3));
  write_checkpoint_folder(b.path(), training.contents(3));
  for (const std::string& name : kFiles) EXPECT_EQ(read_file(a.path(name)), read_file(b.path(name))) << name;
}

TEST(Checkpoint, TheManifestListsEveryFileAndTheVersion) {
  const Scratch scratch;
  SmallTraining training;
  write_checkpoint_folder(scratch.path(), training.contents(500));
  const Json manifest = read_json(scratch.path("manifest.json"));
  EXPECT_EQ(manifest["format_version"], 1);
  EXPECT_EQ(manifest["step"], 500);
  std::vector<std::string> names;
  for (const auto& [name, entry] : manifest["files"].items()) {
    names.push_back(name);
    EXPECT_EQ(entry["size"], fs::file_size(scratch.path(name)));
    EXPECT_EQ(entry["xxh3"], hex(hash_file(scratch.path(name))));
  }
  EXPECT_EQ(names, kFiles);
}

TEST(Checkpoint, OptimizerTensorsAreNamedForParameterAndSlot) {
  const Scratch scratch;
  SmallTraining training(testing::small_llama());
  write_checkpoint_folder(scratch.path(), training.contents());
  const SafetensorsFile file(scratch.path("optimizer.safetensors"));
  EXPECT_EQ(file.tensors().size(), 2 * training.small.layout().parameters().size());
  EXPECT_EQ(file.find("h.0.attn.c_attn.weight.m")->shape, (std::vector<Index>{8, 16}));
  EXPECT_NE(file.find("wte.weight.v"), nullptr);
}

class DamagedCheckpoint : public ::testing::Test {
 protected:
  DamagedCheckpoint() { write_checkpoint_folder(scratch_.path(), training_.contents(500)); }

  void expect_refused(std::initializer_list<std::string_view> parts) {
    expect_error_with(ExitCode::bad_input, parts, [&] { verify_checkpoint(scratch_.path()); });
  }

  Scratch scratch_;
  SmallTraining training_;
};

TEST_F(DamagedCheckpoint, AFileCutShortIsNamed) {
  for (const std::string& name : kFiles) {
    const std::string bytes = read_file(scratch_.path(name));
    scratch_.write(name, bytes.substr(0, bytes.size() - 1));
    expect_refused({name + ": has " + format_count(std::ssize(bytes) - 1) + " bytes", "was it cut short?"});
    scratch_.write(name, bytes);
  }
  verify_checkpoint(scratch_.path());
}

TEST_F(DamagedCheckpoint, AFileThatHasGrownIsFoundByItsSizeAlone) {
  scratch_.write("model.safetensors", read_file(scratch_.path("model.safetensors")) + '\0');
  expect_error_with(ExitCode::bad_input, {"model.safetensors: has ", " bytes, the manifest says "},
                    [&] { verify_sizes(scratch_.path()); });
}

TEST_F(DamagedCheckpoint, OneBitFlippedIsAChecksumErrorThatNamesTheFile) {
  for (const std::string& name : kFiles) {
    const std::string bytes = read_file(scratch_.path(name));
    std::string flipped = bytes;
    flipped[flipped.size() / 2] ^= 4;
    scratch_.write(name, flipped);
    expect_refused({name + ": the checksum is ", "damaged or changed"});
    scratch_.write(name, bytes);
  }
}

TEST_F(DamagedCheckpoint, AMissingFileIsNamed) {
  fs::remove(scratch_.path("trainer.json"));
  expect_refused({"trainer.json: is missing"});
  fs::remove(scratch_.path("manifest.json"));
  expect_refused({"there is no manifest.json: the checkpoint was not finished"});
}

TEST_F(DamagedCheckpoint, ANewerFormatNamesBothVersions) {
  Json manifest = read_json(scratch_.path("manifest.json"));
  manifest["format_version"] = 7;
  scratch_.write("manifest.json", format_json(manifest));
  expect_refused({"manifest.json: written in format 7", "knows those up to 1", "use a newer kiln"});
  EXPECT_THROW(verify_checkpoint(scratch_.path()), NewerFormatError);
  Json config = read_json(scratch_.path("kiln.json"));
  config["format_version"] = 2;
  scratch_.write("kiln.json", format_json(config));
  expect_error_with(ExitCode::bad_input, {"kiln.json: written in format 2"},
                    [&] { read_checkpoint_config(scratch_.path()); });
}

TEST_F(DamagedCheckpoint, AManifestOfAnotherShapeIsRefused) {
  const Json good = read_json(scratch_.path("manifest.json"));
  auto refused = [&](auto change, std::string_view problem) {
    Json manifest = good;
    change(manifest);
    scratch_.write("manifest.json", format_json(manifest));
    expect_refused({"manifest.json", problem});
  };
  refused([](Json& m) { m["format_version"] = "1"; }, "/format_version: a number is expected");
  for (const Json& version : {Json(0), Json(-1), Json(std::uint64_t{1} << 63)}) {
    refused([&](Json& m) { m["format_version"] = version; }, "/format_version: a number is expected");
  }
  refused([](Json& m) { m["files"]["kiln.json"]["size"] = -1; }, "/files/kiln.json: a size and an xxh3");
  refused([](Json& m) { m["files"]["kiln.json"]["xxh3"] = "12"; }, "16 hexadecimal digits");
  refused([](Json& m) { m["files"] = 3; }, "/files: an object is expected");
  refused([](Json& m) { m["files"].erase("optimizer.safetensors"); }, "optimizer.safetensors is not listed");
  refused([](Json& m) { m["files"].erase("model.safetensors"); }, "model.safetensors is not listed");
  refused([](Json& m) { m = Json::array(); }, "an object is expected");
}

TEST_F(DamagedCheckpoint, AManifestDoesNotLeadOutOfTheFolder) {
  Json manifest = read_json(scratch_.path("manifest.json"));
  manifest["files"]["../outside"] = manifest["files"]["kiln.json"];
  scratch_.write("manifest.json", format_json(manifest));
  expect_refused({"\"../outside\" leads out of the folder"});
  const Scratch elsewhere;
  fs::rename(scratch_.path("manifest.json"), elsewhere.path("manifest.json"));
  fs::create_symlink(elsewhere.path("manifest.json"), scratch_.path("manifest.json"));
  expect_refused({"\"manifest.json\" leads out of the folder"});
}

TEST_F(DamagedCheckpoint, AnotherOptimizersStateIsRefused) {
  std::vector<OptimizerSlot> slots = training_.slots();
  expect_error_with(ExitCode::bad_input, {".v' does not belong to this optimizer; was it saved by another one?"},
                    [&] { read_optimizer(scratch_.path(), std::span(slots).first(1)); });
  slots.push_back({"momentum", slots[1].buffer});
  expect_error_with(ExitCode::bad_input, {"'wte.weight.momentum' is missing; was it saved by another optimizer?"},
                    [&] { read_optimizer(scratch_.path(), slots); });
}

// Muon's, which had a second moment of zeros for the matrices that AdamW leaves to it.
TEST_F(DamagedCheckpoint, AnOlderOnesZerosAreNoMatter) {
  const ParameterLayout vectors =
      training_.small.layout().subset([](const Parameter& p) { return !is_hidden_matrix(p.role); });
  ASSERT_LT(vectors.parameters().size(), training_.small.layout().parameters().size());
  ParameterBuffer<float> m(training_.small.layout()), v(vectors);
  read_optimizer(scratch_.path(), std::vector<OptimizerSlot>{{"m", &m}, {"v", &v}});
  EXPECT_EQ(m.all(), training_.m.all());
  for (const Parameter& p : vectors.parameters()) {
    EXPECT_EQ(v.vec(p.id), training_.v.vec(p.id)) << p.name;
  }
}

TEST_F(DamagedCheckpoint, AnUnknownKeyOfTheStateIsRefused) {
  scratch_.write("trainer.json", R"({"step": 3, "stepp": 4})");
  expect_error_with(ExitCode::bad_input, {"trainer.json: /stepp: unknown key"},
                    [&] { read_trainer_state(scratch_.path()); });
}

}  // namespace
}  // namespace kiln
