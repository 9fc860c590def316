// First guesses: each scheme's distribution, measured over the elements of a tensor, and whom it spares.
#include "kiln/nn/init.h"

#include "kiln/core/threads.h"
#include "kiln/nn/language_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace kiln {
namespace {

constexpr Index kVocabulary = 70, kLayers = 3, C = 64, F = 96, kKeys = 32;  // kKeys: columns of k, and of v
constexpr double kStd = 0.05;

ModelConfig config_of(InitScheme scheme) {
  ModelConfig m;
  m.n_layers = kLayers;
  m.d_model = C;
  m.n_heads = 4;
  m.n_kv_heads = 2;
  m.d_mlp = F;
  m.n_ctx = 60;
  m.tie_embeddings = false;
  m.init.scheme = scheme;
  m.init.std = kStd;
  m.resolve();
  return m;
}

/// A model's first guesses.
struct Guesses {
  explicit Guesses(const ModelConfig& config, std::uint64_t seed = 5)
      : model(config, kVocabulary), weights(model.layout) {
    initialise(config, seed, weights);
  }

  ConstMat<double> operator[](const std::string& name) const {
    return std::as_const(weights).mat(model.layout.find(name));
  }

  LanguageModel<double> model;
  ParameterBuffer<double> weights;
};

/// Against the standard deviation of a normal distribution, to four of its own; thousands of elements.
void expect_normal(const ConstMat<double>& w, double std) {
  const double n = static_cast<double>(w.size()), mean = w.mean();
  EXPECT_NEAR(mean, 0.0, 4 * std / std::sqrt(n));
  EXPECT_NEAR(std::sqrt((w.array() - mean).square().mean()), std, 4 * std / std::sqrt(2 * n));
  EXPECT_GT(w.array().abs().maxCoeff(), 2.5 * std);  // which no uniform distribution reaches
}

/// Against U(-width, width).
void expect_uniform(const ConstMat<double>& w, double width) {
  EXPECT_LE(w.array().abs().maxCoeff(), width);
  EXPECT_GT(w.maxCoeff(), 0.99 * width);
  EXPECT_LT(w.minCoeff(), -0.99 * width);
  EXPECT_NEAR(w.mean(), 0.0, 4 * width / std::sqrt(3.0 * static_cast<double>(w.size())));
}

TEST(Init, Gpt2NarrowsTheTwoResidualProjectionsOfEachLayer) {
  const Guesses guesses(config_of(InitScheme::gpt2));
  for (const char* name :
       {"wte.weight", "wpe.weight", "h.0.attn.c_attn.weight", "h.2.mlp.c_fc.weight", "lm_head.weight"})
    expect_normal(guesses[name], kStd);
  for (const char* name : {"h.0.attn.c_proj.weight", "h.2.mlp.c_proj.weight"})
    expect_normal(guesses[name], kStd / std::sqrt(2.0 * kLayers));
}

TEST(Init, NormalAndUniformTreatAllMatricesAlike) {
  const Guesses normal(config_of(InitScheme::normal)), uniform(config_of(InitScheme::uniform));
  for (const char* name : {"wte.weight", "h.1.attn.c_attn.weight", "h.1.mlp.c_proj.weight"}) {
    expect_normal(normal[name], kStd);
    expect_uniform(uniform[name], kStd);
  }
}

TEST(Init, XavierCountsTheInputsAndOutputsOfEachPart) {
  const Guesses guesses(config_of(InitScheme::xavier));
  const ConstMat<double> qkv = guesses["h.0.attn.c_attn.weight"];
  expect_uniform(columns(qkv, 0, C), std::sqrt(6.0 / (C + C)));
  expect_uniform(columns(qkv, C, kKeys), std::sqrt(6.0 / (C + kKeys)));
  expect_uniform(guesses["h.0.mlp.c_fc.weight"], std::sqrt(6.0 / (C + F)));
  expect_uniform(guesses["lm_head.weight"], std::sqrt(6.0 / (C + kVocabulary)));
  expect_normal(guesses["wte.weight"], kStd);
}

TEST(Init, KaimingCountsTheInputs) {
  const Guesses guesses(config_of(InitScheme::kaiming));
  expect_normal(guesses["h.0.attn.c_attn.weight"], std::sqrt(2.0 / C));
  expect_normal(guesses["h.0.mlp.c_proj.weight"], std::sqrt(2.0 / F));
  expect_normal(guesses["lm_head.weight"], std::sqrt(2.0 / C));  // stored [out, in]
  expect_normal(guesses["wpe.weight"], kStd);
}

TEST(Init, GainsAreOneAndBiasesZeroAndResidualProjectionsWhereAskedFor) {
  ModelConfig config = config_of(InitScheme::gpt2);
  config.init.zero_residual_projections = true;
  const Guesses guesses(config);
  EXPECT_TRUE((guesses["h.0.ln_1.weight"].array() == 1.0).all());
  for (const char* name : {"h.0.ln_1.bias", "h.0.mlp.c_fc.bias", "h.0.attn.c_proj.weight", "h.1.mlp.c_proj.weight"})
    EXPECT_TRUE((guesses[name].array() == 0.0).all()) << name;
  EXPECT_TRUE((Guesses(config_of(InitScheme::zero))["wte.weight"].array() == 0.0).all());
}

TEST(Init, AScoreHeadIsDrawnByItsInputsAlone) {
  constexpr Index kWide = 1024;
  ModelConfig config = config_of(InitScheme::gpt2);
  config.n_layers = 1;
  config.d_model = kWide;
  config.d_head = 8;
  config.head = HeadKind::score;
  const Guesses guesses(config);
  EXPECT_EQ(guesses["score.weight"].rows(), 1);
  expect_normal(guesses["score.weight"], 1 / std::sqrt(kWide + 1.0));
  config.init.std = 0.5;
  EXPECT_TRUE(Guesses(config)["score.weight"] == guesses["score.weight"]);
  config.init.scheme = InitScheme::zero;
  EXPECT_TRUE((Guesses(config)["score.weight"].array() == 0.0).all());
}

TEST(Init, WhatIsAddedToABaseIsDrawnAsInAWholeModel) {
  ModelConfig config = config_of(InitScheme::normal);
  config.head = HeadKind::score;
  config.lora.rank = 2;
  const LanguageModel<float> model(config, kVocabulary);
  ParameterBuffer<float> whole(model.layout), added(model.layout);
  initialise(config, 5, whole);
  initialise_added(config, 5, added);
  for (const Parameter& p : model.layout.parameters()) {
    const bool is_added = p.name == "score.weight" || p.name.ends_with("lora_A");
    EXPECT_TRUE(!is_added || added.vec(p.id) == whole.vec(p.id)) << p.name;
    EXPECT_EQ(added.vec(p.id).norm() > 0, is_added) << p.name;
  }
}

TEST(Init, ATensorDependsOnTheSeedAndItsNameAlone) {
  const ModelConfig config = config_of(InitScheme::normal);
  set_threads(1);
  const Guesses one(config);
  set_threads(3);
  const Guesses three(config), other(config, 6);
  ModelConfig deeper = config;
  deeper.n_layers = kLayers + 1;
  const Guesses more(deeper);
  const std::string name = "h.1.mlp.c_fc.weight";
  EXPECT_TRUE(one[name] == three[name]);
  EXPECT_TRUE(one[name] == more[name]);
  EXPECT_FALSE(one[name] == other[name]);
  EXPECT_FALSE(one[name] == one["h.2.mlp.c_fc.weight"]);
}

}  // namespace
}  // namespace kiln
