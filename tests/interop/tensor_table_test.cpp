// The table of tensors: families, names, and every parameter covered once.
#include "kiln/interop/tensor_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/small_models.h"
#include <map>
#include <set>

namespace kiln {
namespace {

using testing::small_gpt2;
using testing::small_llama;
using testing::small_modern;
using testing::SmallModel;

template <class Change>
Family changed(ModelConfig model, Change&& change) {
  change(model);
  return family_of(model);
}

TEST(Family, Gpt2IsNothingElse) {
  EXPECT_EQ(family_of(small_gpt2()), Family::gpt2);
  for (const Activation a : {Activation::relu, Activation::gelu, Activation::silu, Activation::relu2}) {
    EXPECT_EQ(changed(small_gpt2(), [a](auto& m) { m.activation = a; }), Family::gpt2);
  }
  EXPECT_EQ(changed(small_gpt2(), [](auto& m) { m.bias = false; }), Family::gpt2);
  EXPECT_EQ(changed(small_gpt2(), [](auto& m) { m.tie_embeddings = false; }), Family::gpt2);
  EXPECT_EQ(changed(small_gpt2(), [](auto& m) { m.norm = NormKind::rmsnorm; }), Family::kiln);
  EXPECT_EQ(changed(small_gpt2(), [](auto& m) { m.position = PositionKind::sinusoidal; }), Family::kiln);
  EXPECT_EQ(changed(small_gpt2(), [](auto& m) { m.d_head = 3; }), Family::kiln);
  EXPECT_EQ(changed(small_gpt2(), [](auto& m) { m.n_kv_heads = 1; }), Family::kiln);
  EXPECT_EQ(changed(small_gpt2(), [](auto& m) { m.qk_norm = true; }), Family::kiln);
  for (const Activation a : {Activation::swiglu, Activation::geglu}) {
    EXPECT_EQ(changed(small_gpt2(), [a](auto& m) { m.activation = a; }), Family::kiln);
  }
}

TEST(Family, LlamaIsNothingElse) {
  EXPECT_EQ(family_of(small_llama()), Family::llama);
  EXPECT_EQ(family_of(small_llama(6)), Family::llama);
  EXPECT_EQ(changed(small_llama(), [](auto& m) { m.tie_embeddings = true; }), Family::llama);
  EXPECT_EQ(changed(small_llama(), [](auto& m) { m.bias = true; }), Family::kiln);
  EXPECT_EQ(changed(small_llama(), [](auto& m) { m.qk_norm = true; }), Family::kiln);
  EXPECT_EQ(changed(small_llama(), [](auto& m) { m.norm = NormKind::layernorm; }), Family::kiln);
  EXPECT_EQ(changed(small_llama(), [](auto& m) { m.position = PositionKind::alibi; }), Family::kiln);
  EXPECT_EQ(changed(small_llama(), [](auto& m) { m.activation = Activation::geglu; }), Family::kiln);
}

std::vector<ModelConfig> all_models() {
  std::vector<ModelConfig> models{small_gpt2(), small_llama(), small_llama(6), small_modern()};
  for (std::size_t i = 0; i < 4; ++i) {
    models.push_back(models[i]);
    models.back().tie_embeddings = !models[i].tie_embeddings;
    models.back().bias = !models[i].bias;
    models.push_back(testing::scoring(models[i]));
  }
  return models;
}

TEST(TensorTable, CoversEveryColumnOnceUnderNamesOfItsOwn) {
  for (const ModelConfig& config : all_models()) {
    const SmallModel small(config);
    std::map<int, Index> covered;
    std::set<std::string> names;
    for (const TensorPlace& place : tensor_table(config, small.layout())) {
      EXPECT_TRUE(names.insert(place.name).second) << place.name;
      Index elements = 1;
      for (const Index dimension : place.shape) elements *= dimension;
      if (!place.parameter) {
        EXPECT_EQ(place.shape, std::vector<Index>{place.count});
        continue;
      }
      const Parameter& p = small.layout()[place.parameter];
      EXPECT_EQ(elements, p.rows * place.count) << place.name;
      EXPECT_EQ(covered[place.parameter.index], place.begin) << place.name;
      covered[place.parameter.index] += place.count;
    }
    for (std::size_t i = 0; i < small.layout().parameters().size(); ++i) {
      EXPECT_EQ(covered[static_cast<int>(i)], small.layout().parameters()[i].cols);
    }
  }
}

std::vector<std::string> names_in(const ModelConfig& config) {
  std::vector<std::string> names;
  for (const TensorPlace& place : tensor_table(config, SmallModel(config).layout())) names.push_back(place.name);
  return names;
}

ModelConfig one_layer(ModelConfig config) {
  config.n_layers = 1;
  return config;
}

TEST(TensorTable, NamesAreGpt2sWithAndWithoutBiases) {
  ModelConfig config = one_layer(small_gpt2());
  const auto expected = ::testing::UnorderedElementsAre(
      "wte.weight", "wpe.weight", "h.0.ln_1.weight", "h.0.ln_1.bias", "h.0.attn.c_attn.weight", "h.0.attn.c_attn.bias",
      "h.0.attn.c_proj.weight", "h.0.attn.c_proj.bias", "h.0.ln_2.weight", "h.0.ln_2.bias", "h.0.mlp.c_fc.weight",
      "h.0.mlp.c_fc.bias", "h.0.mlp.c_proj.weight", "h.0.mlp.c_proj.bias", "ln_f.weight", "ln_f.bias");
  EXPECT_THAT(names_in(config), expected);
  config.bias = false;
  EXPECT_THAT(names_in(config), expected);
}

TEST(TensorTable, AnUntiedGpt2BearsThePrefix) {
  ModelConfig config = one_layer(small_gpt2());
  config.tie_embeddings = false;
  for (const std::string& name : names_in(config)) {
    EXPECT_TRUE(name.starts_with("transformer.") || name == "lm_head.weight") << name;
  }
}

TEST(TensorTable, NamesAreLlamas) {
  EXPECT_THAT(names_in(one_layer(small_llama())),
              ::testing::UnorderedElementsAre(
                  "model.embed_tokens.weight", "model.layers.0.input_layernorm.weight",
                  "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight",
                  "model.layers.0.self_attn.v_proj.weight", "model.layers.0.self_attn.o_proj.weight",
                  "model.layers.0.post_attention_layernorm.weight", "model.layers.0.mlp.gate_proj.weight",
                  "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.down_proj.weight", "model.norm.weight",
                  "lm_head.weight"));
}

TEST(TensorTable, OtherModelsKeepTheLayoutsNames) {
  const SmallModel small(small_modern());
  std::vector<std::string> names;
  for (const Parameter& p : small.layout().parameters()) names.push_back(p.name);
  EXPECT_EQ(names_in(small.config()), names);
}

}  // namespace
}  // namespace kiln
