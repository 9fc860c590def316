// Random models to generate from, and what they must agree with: the plain forward of a whole text.
#pragma once

#include "kiln/core/threads.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"
#include "kiln/text/token.h"

#include <gtest/gtest.h>

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
inline RowMajor<float> full_logits(const RandomModel& m, std::span<const TokenId> tokens) {
  const Index T = std::ssize(tokens);
  Arena counting = Arena::counting();
  m.model.trunk.lay_out(counting, 1, T, Keep::nothing);
  Arena arena(counting.peak_bytes());
  GptActivations<float> activations = m.model.trunk.lay_out(arena, 1, T, Keep::nothing);
  m.model.trunk.forward(m.weights, tokens, StepContext{}, activations);
  RowMajor<float> logits(T, m.model.vocab_size());
  m.model.head.logits(m.weights, as_const(activations.hidden), mat(logits.data(), T, m.model.vocab_size()));
  return logits;
}

}  // namespace kiln::testing
