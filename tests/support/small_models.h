// Small models of each family, with weights that no two places share.
#pragma once

#include "kiln/core/rng.h"
#include "kiln/nn/language_model.h"

#include <gtest/gtest.h>

namespace kiln::testing {

inline constexpr Index kSmallVocabulary = 11;

/// GPT-2: C = H D, so that attn.c_proj is square and a missed transpose shows in its values alone.
inline ModelConfig small_gpt2() {
  ModelConfig m;
  m.n_layers = 2;
  m.d_model = 8;
  m.n_heads = 2;
  m.n_ctx = 6;
  m.activation = Activation::gelu_new;
  m.resolve();
  return m;
}

/// Llama with grouped queries; C = H D unless a head size is given.
inline ModelConfig small_llama(std::optional<Index> head_size = std::nullopt) {
  ModelConfig m = small_gpt2();
  m.n_kv_heads = 1;
  m.d_head = head_size;
  m.d_mlp = 12;
  m.activation = Activation::swiglu;
  m.norm = NormKind::rmsnorm;
  m.position = PositionKind::rope;
  m.rope_theta = 500;
  m.bias = false;
  m.tie_embeddings = false;
  m.resolve();
  return m;
}

/// What no transformers class computes.
inline ModelConfig small_modern() {
  ModelConfig m = small_llama(6);
  m.activation = Activation::relu2;
  m.qk_norm = true;
  return m;
}

/// The same as a reward model.
inline ModelConfig scoring(ModelConfig m) {
  m.head = HeadKind::score;
  return m;
}

/// A model's layout and weights (and whatever else lies over the layout) drawn from a seed.
struct SmallModel {
  explicit SmallModel(const ModelConfig& config, std::uint64_t seed = 1)
      : model(config, kSmallVocabulary), weights(draw(seed)) {}

  ParameterBuffer<float> draw(std::uint64_t seed) const {
    ParameterBuffer<float> buffer(model.layout);
    Rng rng(seed, "small model");
    for (const Parameter& p : model.layout.parameters()) {
      for (float& value : buffer.vec(p.id)) value = static_cast<float>(rng.normal());
    }
    return buffer;
  }

  const ParameterLayout& layout() const { return model.layout; }
  const ModelConfig& config() const { return model.config(); }
  ConstMat<float> operator[](std::string_view name) const { return weights.mat(model.layout.find(name)); }

  LanguageModel<float> model;
  ParameterBuffer<float> weights;
};

/// Expects every bit of two buffers over equal layouts to be the same.
inline void expect_same(const ParameterBuffer<float>& a, const ParameterBuffer<float>& b) {
  ASSERT_EQ(a.all().size(), b.all().size());
  EXPECT_TRUE(a.all() == b.all());
}

}  // namespace kiln::testing
