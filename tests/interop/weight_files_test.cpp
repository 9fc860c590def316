// Weights in several files: cut where the limit says, read back whole, and refused where index and files disagree.
#include "kiln/interop/weight_files.h"

#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/interop/huggingface.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/scratch.h"
#include "support/small_models.h"
#include <filesystem>
#include <set>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using testing::expect_error_with;
using testing::expect_same;
using testing::Scratch;
using testing::small_gpt2;
using testing::small_llama;
using testing::small_modern;
using testing::SmallModel;

constexpr std::uint64_t kLimit = 900;  // bytes of a file; the largest tensor of small_gpt2 has 1024

/// A GPT-2 in several files.
class Shards : public ::testing::Test {
 protected:
  Shards() { save(small_); }

  void save(const SmallModel& small) const {
    write_huggingface_folder(scratch_.path(), small.config(), testing::kSmallVocabulary, small.weights, {"{}", "", {}},
                             {.type = DataType::f32, .shard_bytes = kLimit});
  }

  Json index() const { return parse_json(read_file(scratch_.path(kWeightsIndex)), "index"); }

  /// Rewrites the index, and expects the folder to be refused.
  template <class Change>
  void expect_refused(Change&& change, std::initializer_list<std::string_view> parts) const {
    Json changed = index();
    change(changed["weight_map"]);
    const std::string before = read_file(scratch_.path(kWeightsIndex));
    scratch_.write(kWeightsIndex, changed.dump());
    expect_error_with(ExitCode::bad_input, parts, [&] { WeightFiles(scratch_.path()); });
    scratch_.write(kWeightsIndex, before);
  }

  Scratch scratch_;
  SmallModel small_{small_gpt2()};
};

TEST_F(Shards, AreCutAtTheLimitAndNamedAsTheReferenceLibraryNamesThem) {
  EXPECT_FALSE(fs::exists(scratch_.path(kWeightsFile)));
  const Json index = this->index();
  std::set<std::string> names;
  std::uint64_t total = 0;
  for (const auto& [tensor, file] : index["weight_map"].items()) names.insert(file.get<std::string>());
  ASSERT_GT(names.size(), 3u);
  std::size_t number = 0;
  for (const std::string& name : names) {
    EXPECT_EQ(name, fmt::format("model-{:05}-of-{:05}.safetensors", ++number, names.size()));
    const SafetensorsFile file(scratch_.path(name));
    std::uint64_t bytes = 0;
    for (const TensorInfo& tensor : file.tensors()) {
      EXPECT_EQ(index["weight_map"][tensor.name], name);
      bytes += tensor.end - tensor.begin;
    }
    EXPECT_TRUE(bytes <= kLimit || file.tensors().size() == 1) << name << " has " << bytes << " bytes";
    total += bytes;
  }
  EXPECT_EQ(index["metadata"]["total_size"], total);
  EXPECT_EQ(total, static_cast<std::uint64_t>(small_.layout().count()) * 4);
}

TEST_F(Shards, AreReadAsOneFileIs) {
  expect_same(read_huggingface_weights(scratch_.path(), small_.config(), small_.layout()), small_.weights);
  for (const ModelConfig& config : {small_llama(), small_modern()}) {
    const Scratch scratch;
    const SmallModel small(config);
    write_huggingface_folder(scratch.path(), config, testing::kSmallVocabulary, small.weights, {"{}", "", {}},
                             {.type = DataType::f32, .shard_bytes = 1});
    EXPECT_TRUE(has_weight_files(scratch.path()));
    expect_same(read_huggingface_weights(scratch.path(), config, small.layout()), small.weights);
  }
}

TEST_F(Shards, OneFileIsPreferredToAnIndexBesideIt) {
  const SmallModel other(small_gpt2(), 99);
  write_huggingface_folder(scratch_.path(), other.config(), testing::kSmallVocabulary, other.weights, {"{}", "", {}});
  expect_same(read_huggingface_weights(scratch_.path(), small_.config(), small_.layout()), other.weights);
}

TEST_F(Shards, DigestsNameEveryFile) {
  const Scratch scratch;
  const FileDigests digests =
      write_huggingface_folder(scratch.path(), small_.config(), testing::kSmallVocabulary, small_.weights,
                               {"{}", "", {}}, {.type = DataType::f32, .shard_bytes = kLimit});
  std::size_t files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(scratch.path())) {
    ++files;
    EXPECT_EQ(digests.at(entry.path().filename().string()), (FileDigest{entry.file_size(), hash_file(entry.path())}));
  }
  EXPECT_EQ(files, digests.size());
}

TEST_F(Shards, AnIndexThatDisagreesWithItsFilesIsRefused) {
  const std::string first = "model-00001-of-00012.safetensors", second = "model-00002-of-00012.safetensors";
  ASSERT_EQ(index()["weight_map"]["wte.weight"], first);
  expect_refused([&](Json& map) { map["wte.weight"] = second; },
                 {first, "holds 4 tensors, but the index names 3 in it"});
  expect_refused([&](Json& map) { map.erase("wte.weight"); }, {first, "holds 4 tensors, but the index names 3 in it"});
  expect_refused([&](Json& map) { map["h.9.ln_1.bias"] = first; }, {"'h.9.ln_1.bias' should be in"});
  expect_refused([](Json& map) { map["wte.weight"] = "gone.safetensors"; }, {"gone.safetensors: cannot be opened"});
  expect_refused([](Json& map) { map["wte.weight"] = 3; }, {"/weight_map/wte.weight: 3 does not name a file"});
  expect_refused([](Json& map) { map = Json::array(); }, {"/weight_map: an object of tensor and file is expected"});
  expect_refused([](Json& map) { map = Json::object(); }, {"/weight_map: an object of tensor and file is expected"});
  fs::resize_file(scratch_.path(second), 40);
  expect_error_with(ExitCode::bad_input, {second}, [&] { WeightFiles(scratch_.path()); });
}

// ---- shared/FAULTS.md, by row ----

TEST_F(Shards, Row35AShardOutsideTheFolderIsRefused) {
  const std::string shard = index()["weight_map"]["wte.weight"];
  const Scratch outside;
  fs::copy_file(scratch_.path(shard), outside.path("weights"));
  for (const std::string& name : {std::string(".."), std::string("."), std::string(), "../" + shard, "./" + shard,
                                  outside.path("weights").string(), "sub/" + shard}) {
    expect_refused([&](Json& map) { map["wte.weight"] = name; }, {"/weight_map/wte.weight", "does not name a file"});
  }
  fs::remove(scratch_.path(shard));
  fs::create_symlink(outside.path("weights"), scratch_.path(shard));
  expect_error_with(ExitCode::bad_input, {shard, "leads out of the folder"}, [&] { WeightFiles(scratch_.path()); });
}

}  // namespace
}  // namespace kiln
