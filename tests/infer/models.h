// Random models to generate from, and what they must agree with: the plain forward of a whole text.
#pragma once

#include "kiln/core/threads.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"
#include "kiln/nn/model_weights.h"
#include "kiln/text/token.h"

#include <gtest/gtest.h>

#include "support/sequences.h"
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace kiln::testing {

/// A model with weights drawn wide enough for its forecasts to differ from place to place. It runs on one thread: its
/// products are so small that on a busy machine most of the time would go into waiting for the others.
struct RandomModel {
  explicit RandomModel(const ModelConfig& config, Index vocab_size = 256) : model(config, vocab_size), weights(draw()) {
    set_threads(1);
  }

  ParameterBuffer<float> draw() const {
    ParameterBuffer<float> buffer(model.layout);
    initialise(model.config(), 7, buffer);
    return buffer;
  }

  ModelView view() { return {model, weights}; }

  LanguageModel<float> model;
  ParameterBuffer<float> weights;
};

inline ModelConfig tiny_config(PositionKind position = PositionKind::learned, Index n_ctx = 24) {
  ModelConfig config;
  config.n_layers = 2;
  config.d_model = 32;
  config.n_heads = 4;
  config.n_ctx = n_ctx;
  config.position = position;
  config.init.scheme = InitScheme::normal;
  config.init.std = 0.3;
  config.resolve();
  return config;
}

/// A model that says one text over and over: its hidden state is the position alone, and after position p comes token
/// says[p].
struct Parrot {
  explicit Parrot(const std::vector<TokenId>& says, Index vocab_size = 257, Index n_ctx = 64)
      : model(config(n_ctx), vocab_size), weights(model.layout) {
    set_threads(1);
    const auto set = [&](std::string_view name, auto&& fill) { fill(weights.mat(model.layout.find(name))); };
    set("wpe.weight", [&](Mat<float> w) { w.setIdentity(); });
    set("ln_f.weight", [&](Mat<float> w) { w.setOnes(); });
    set("lm_head.weight", [&](Mat<float> w) {
      for (std::size_t i = 0; i < says.size(); ++i) w(says[i], static_cast<Index>(i)) = 1;
    });
  }

  static ModelConfig config(Index n_ctx) {
    ModelConfig config = tiny_config(PositionKind::learned, n_ctx);
    config.d_model = n_ctx;
    config.tie_embeddings = false;
    config.n_kv_heads = config.d_head = config.d_mlp = std::nullopt;
    config.resolve();
    return config;
  }

  ModelView view() { return {model, weights}; }

  LanguageModel<float> model;
  ParameterBuffer<float> weights;
};

/// The tokens of a text, a byte each.
inline std::vector<TokenId> byte_tokens(std::string_view text) {
  std::vector<TokenId> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

/// Logits (T, V) of one sequence, without a cache.
inline RowMajor<float> full_logits(RandomModel& m, std::span<const TokenId> tokens) {
  const Index T = std::ssize(tokens), V = m.model.vocab_size();
  const auto runner = make_runner<float>(m.model.config(), V, {.rows = T});
  const TokenRows rows = equal_rows(tokens);
  runner->forward(m.weights, rows);
  RowMajor<float> logits(T, V);
  runner->logits(all_rows(T), mat(logits.data(), T, V));
  return logits;
}

}  // namespace kiln::testing
