// Measures the cost of a step of a model shape on this machine, for any vocabulary, context and batch.
#pragma once

#include "kiln/run/config.h"

#include <functional>

namespace kiln {

/// Seconds of a step: of the update, per token, and per token and position of the context. The first two grow linearly
/// with the vocabulary (rows of the embedding, columns of the logits), so that two timings determine them.
struct StepCost {
  double update = 0, update_per_entry = 0;
  double token = 0, token_per_entry = 0, token_per_position = 0;

  double seconds(Index vocab_size, Index n_ctx, Index windows) const {
    const auto V = static_cast<double>(vocab_size), T = static_cast<double>(n_ctx);
    return update + update_per_entry * V +
           static_cast<double>(windows) * T * (token + token_per_entry * V + token_per_position * T);
  }
};

/// Times steps of the config with two vocabularies, for a fraction of a second each or, if longer, a few steps. Calls
/// `on_step` after each. Takes the memory of training.
StepCost measure_step_cost(Config config, const std::function<void()>& on_step);

}  // namespace kiln
