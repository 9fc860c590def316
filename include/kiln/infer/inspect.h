// Compares a model's predictions at every position of a text with the actual tokens.
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

/// The prediction of one token from those before it.
struct Prediction {
  TokenId token = 0;       // the actual one
  double probability = 0;  // that the model assigned to it
  double loss = 0;         // -log probability, in nats
  Index rank = 0;          // 1: the likeliest; ties rank by id
  std::vector<TokenProbability> top;
};

struct Inspection {
  std::vector<Prediction> predictions;  // of tokens 1, 2, ...; token 0 has no context
  std::vector<TokenProbability> next;   // the likeliest to follow the last token
};

/// Runs the tokens through the model, the last n_ctx if there are more. Returns the `top` likeliest tokens of each
/// distribution (at most the vocabulary).
/// Throws Error: usage for no tokens, one outside the vocabulary, or top < 1; diverged if logits are not finite.
Inspection inspect(const ModelView& model, std::span<const TokenId> tokens, Index top);

}  // namespace kiln
