// What a step of a model's shape costs on this machine, for any vocabulary, context and batch.
#pragma once

#include "kiln/run/config.h"

#include <functional>

namespace kiln {

/// Seconds of a step: those of the update, those of each token, and those of its attention to each position of the
/// context. The first two grow by a fixed amount an entry of the vocabulary (its row of the embedding, its column of
/// the logits), so that two timings tell all.
struct StepCost {
  double update = 0, update_per_entry = 0;
  double token = 0, token_per_entry = 0, token_per_position = 0;

  double seconds(Index vocab_size, Index n_ctx, Index windows) const {
    const auto V = static_cast<double>(vocab_size), T = static_cast<double>(n_ctx);
    return update + update_per_entry * V +
           static_cast<double>(windows) * T * (token + token_per_entry * V + token_per_position * T);
  }
};

/// Times steps of the config with two vocabularies, for a fraction of a second each or a few steps where these are
/// longer; `on_step` is called after each. Takes the memory of training.
StepCost measure_step_cost(Config config, const std::function<void()>& on_step);

}  // namespace kiln
