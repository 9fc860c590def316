// Models with adapters against the same models without.
#include "kiln/nn/adapter.h"

#include "kiln/core/threads.h"
#include "kiln/nn/language_model.h"
#include "kiln/nn/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/sequences.h"
#include "support/small_models.h"
#include <string>
#include <vector>

namespace kiln {
namespace {

using testing::kSmallVocabulary;
using testing::SmallModel;

ModelConfig adapted(ModelConfig config, Index new_tokens = 0) {
  config.lora = {.rank = 3, .alpha = 2, .new_tokens = new_tokens};
  return config;
}

std::vector<ModelConfig> families() {
  ModelConfig tied_llama = testing::small_llama(6);
  tied_llama.tie_embeddings = true;
  return {testing::small_gpt2(), testing::small_llama(), tied_llama, testing::small_modern()};
}

/// Copies a model's weights to one with adapters; the rows of new tokens are those of the last tokens.
void copy_base(const SmallModel& from, SmallModel& to) {
  for (const Parameter& p : to.layout().parameters()) {
    const ConstMat<float> source = from.weights.mat(from.layout().find({p.key.module, p.key.layer}));
    if (p.key.tensor == TensorKind::weight) to.weights.mat(p.id) = source.topRows(p.rows);
    if (p.key.tensor == TensorKind::new_rows) to.weights.mat(p.id) = source.bottomRows(p.rows);
    if (p.key.tensor == TensorKind::bias) {
      to.weights.mat(p.id) = from.weights.mat(from.layout().find({p.key.module, p.key.layer, TensorKind::bias}));
    }
  }
}

/// Returns the logits of two sequences of unequal length, which contain the last tokens.
RowMajor<float> logits(SmallModel& model) {
  set_threads(1);
  TokenRows rows;
  rows.append(std::vector<std::int32_t>{1, 10, 3, 9, 5});
  rows.append(std::vector<std::int32_t>{7, 10});
  const auto runner = make_runner(model.config(), kSmallVocabulary, Precision::fp32, {.rows = 7, .scored = 7});
  runner->forward(model.weights, rows);
  RowMajor<float> logits(7, kSmallVocabulary);
  runner->logits(testing::all_rows(7), mat(logits.data(), 7, kSmallVocabulary));
  return logits;
}

void zero_b(SmallModel& model) {
  for (const Parameter& p : model.layout().parameters()) {
    if (p.key.tensor == TensorKind::lora_b) model.weights.mat(p.id).setZero();
  }
}

TEST(Adapter, ABOfZerosChangesNothingToTheBit) {
  for (const ModelConfig& config : families()) {
    SmallModel plain(config), with_adapters(adapted(config));
    copy_base(plain, with_adapters);
    zero_b(with_adapters);
    EXPECT_TRUE(logits(plain) == logits(with_adapters));
  }
}

TEST(Adapter, MergedEqualsUnmerged) {
  for (const ModelConfig& config : families()) {
    for (const Index new_tokens : {0, 2}) {
      SmallModel plain(config), with_adapters(adapted(config, new_tokens), 2);
      copy_base(plain, with_adapters);
      const RowMajor<float> before = logits(plain), unmerged = logits(with_adapters);
      merge_adapters(with_adapters.config().lora, with_adapters.weights, plain.weights);
      const float scale = unmerged.cwiseAbs().maxCoeff();
      EXPECT_LT((logits(plain) - unmerged).cwiseAbs().maxCoeff(), 1e-5F * scale);
      EXPECT_GT((before - unmerged).cwiseAbs().maxCoeff(), 1e-2F * scale) << "the adapters did nothing";
    }
  }
}

TEST(Adapter, LayersAreChosenByTheNamesOfTheirWeights) {
  ModelConfig config = adapted(testing::small_gpt2());
  config.lora.targets = {"h.0.attn.*", "h.*.mlp.c_fc.weight"};
  const SmallModel model(config);
  std::vector<std::string> names;
  for (const Parameter& p : model.layout().parameters()) {
    if (p.key.tensor == TensorKind::lora_a) names.push_back(p.name);
  }
  EXPECT_THAT(names, ::testing::ElementsAre("h.0.attn.c_attn.lora_A", "h.0.attn.c_proj.lora_A", "h.0.mlp.c_fc.lora_A",
                                            "h.1.mlp.c_fc.lora_A"));
}

TEST(Adapter, OnlyFamiliesThatSplitAWeightHaveAnAForEachPart) {
  const SmallModel gpt2(adapted(testing::small_gpt2())), llama(adapted(testing::small_llama()));
  const auto columns_of_a = [](const SmallModel& model, Module module) {
    return model.layout()[model.layout().find({module, 0, TensorKind::lora_a})].cols;
  };
  EXPECT_EQ(columns_of_a(gpt2, Module::c_attn), 3);
  EXPECT_EQ(columns_of_a(llama, Module::c_attn), 3 * 3);
  EXPECT_EQ(columns_of_a(llama, Module::c_fc), 2 * 3);
  EXPECT_EQ(columns_of_a(llama, Module::mlp_c_proj), 3);
}

TEST(Adapter, ItsScaleIsAlphaOverTheRankOrItsRoot) {
  LoraConfig lora{.rank = 16, .alpha = 32};
  EXPECT_EQ(lora.scale(), 2);
  lora.rslora = true;
  EXPECT_EQ(lora.scale(), 8);
}

}  // namespace
}  // namespace kiln
