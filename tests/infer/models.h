// Random models to generate from, and what they must agree with: the plain forward of a whole text.
#pragma once

#include "kiln/core/threads.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"
#include "kiln/nn/model_weights.h"
#include "kiln/text/token.h"

#include <gtest/gtest.h>

#include "support/sequences.h"
#include <span>
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
