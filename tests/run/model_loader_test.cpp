// Weights are read in the precision that they are used in.
#include "kiln/run/model_loader.h"

#include "kiln/interop/huggingface.h"
#include "kiln/interop/llmc.h"
#include "kiln/interop/peft.h"
#include "kiln/nn/adapter.h"

#include <gtest/gtest.h>

#include "support/scratch.h"
#include "support/small_models.h"
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using testing::kSmallVocabulary;
using testing::Scratch;
using testing::SmallModel;

/// Returns weights as bfloat16 holds them.
ParameterBuffer<float> rounded(const ParameterBuffer<float>& weights) {
  ParameterBuffer<float> result(weights.layout());
  result.all() = weights.all().cast<bfloat16>().cast<float>();
  return result;
}

void expect_read_in_bfloat16(const LoadedModel& loaded, const ParameterBuffer<float>& expected) {
  ASSERT_EQ(loaded.weights->precision(), Precision::bf16);
  const ParameterBuffer<bfloat16>& read = loaded.weights->rounded();
  ASSERT_EQ(read.layout().extent(), expected.layout().extent());
  EXPECT_TRUE(read.all().cast<float>() == rounded(expected).all());
}

/// A base model and its folder.
struct Base {
  explicit Base(const ModelConfig& config) : small(config) {
    write_huggingface_folder(folder("base"), config, kSmallVocabulary, small.weights, {"{}", "{}", {}});
  }
  fs::path folder(const char* name) const {
    fs::path path = scratch.path(name);
    fs::create_directory(path);
    return path;
  }
  Scratch scratch;
  SmallModel small;
};

std::vector<ModelConfig> families() { return {testing::small_gpt2(), testing::small_llama()}; }

TEST(LoadedModels, InBfloat16AreRoundedAsTheyAreRead) {
  for (const ModelConfig& config : families()) {
    const Base base(config);
    const fs::path folder = base.folder("base");
    expect_read_in_bfloat16(load_weights(open_model(folder), Precision::bf16), base.small.weights);
    testing::expect_same(load_weights(open_model(folder)).weights->masters(), base.small.weights);
  }
}

TEST(LoadedModels, InBfloat16AdaptersAreAddedToTheRoundedBase) {
  for (ModelConfig config : families()) {
    const Base base(config);
    config.lora = {.rank = 3, .alpha = 5};
    const SmallModel adapted(config, 7);
    const fs::path adapters = base.folder("adapters");
    write_adapters(adapters, config, kSmallVocabulary, "../base", adapted.weights);
    ParameterBuffer<float> expected = rounded(base.small.weights);
    merge_adapters(config.lora, adapted.weights, expected);
    ASSERT_FALSE(expected.all() == rounded(base.small.weights).all());
    expect_read_in_bfloat16(load_weights(open_model(adapters), Precision::bf16), expected);
  }
}

TEST(LoadedModels, OfLlmcAreRoundedInBfloat16) {
  const Scratch scratch;
  const SmallModel small(testing::small_gpt2());
  write_llmc_model(scratch.path("model.bin"), small.config(), kSmallVocabulary, small.weights);
  const LoadedModel loaded = load_weights(open_model(scratch.path("model.bin")), Precision::bf16);
  EXPECT_TRUE(loaded.weights->rounded().all().cast<float>() == rounded(small.weights).all());
}

}  // namespace
}  // namespace kiln
