// What a model expects at every place of a text, held against what is there.
#pragma once

#include "kiln/nn/model_weights.h"
#include "kiln/text/token.h"

#include <span>
#include <vector>

namespace kiln {

struct TokenProbability {
  TokenId token = 0;
  double probability = 0;
};

/// The forecast of one token from those before it.
struct Prediction {
  TokenId token = 0;       // the one that came
  double probability = 0;  // that the model gave it
  double loss = 0;         // -log of it, in nats
  Index rank = 0;          // 1: no other token was likelier; equal ones rank by id
  std::vector<TokenProbability> top;
};

struct Inspection {
  std::vector<Prediction> predictions;  // of tokens 1, 2, ...: nothing stands before token 0
  std::vector<TokenProbability> next;   // the likeliest to follow the last token
};

/// Runs the tokens (at least one) through the model. Each distribution gives its `top` likeliest, all where there are
/// fewer. Of more than n_ctx tokens the last n_ctx are taken.
/// Throws Error (usage) for no tokens, one outside the vocabulary, or top < 1; (diverged) where scores are not finite.
Inspection inspect(const ModelView& model, std::span<const TokenId> tokens, Index top);

}  // namespace kiln
