// Looks into one forward of a text: predictions, the logit lens of every layer, attention.
#pragma once

#include "kiln/infer/inspect.h"
#include "kiln/nn/model_weights.h"
#include "kiln/nn/token_rows.h"
#include "kiln/tensor/view.h"
#include "kiln/text/token.h"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace kiln {

/// The prediction after one token of a text.
struct Forecast {
  std::vector<TokenProbability> top;  // the likeliest next tokens
  std::optional<Prediction> next;     // of the actual next token, without its `top`; none after the last token
};

/// What the model would predict after one token if it ended at an earlier layer.
struct LensReading {
  TokenProbability top;        // the likeliest next token
  double answer = 0;           // the probability of a token that the caller chose, such as the model's own answer
  std::optional<double> next;  // that of the actual next token
};

/// Looks into a model that has read a text, one token a row. Each function below does its own computation, so that a
/// caller can spread them over time.
class Inspector {
 public:
  /// Runs the tokens through the model. lens() and attention() need `keeps_layers`, which takes the memory of a
  /// training's forward. The model's parts must outlive the inspector. Throws Error (usage) for no tokens, more than
  /// n_ctx, one outside the vocabulary, or memory that cannot be allocated.
  Inspector(const ModelView& model, std::span<const TokenId> tokens, bool keeps_layers);

  Index rows() const { return rows_.size(); }

  /// Returns the forecasts of `count` rows from `first` on, with the `top` likeliest tokens each.
  /// Throws Error (diverged) if logits are not finite, and so does lens().
  std::vector<Forecast> forecasts(Index first, Index count, Index top);

  /// Returns what the stream before block `layer` says of one row for each answer, from row `first` on: the logit lens
  /// (nostalgebraist 2020). Layer 0 is the embedding, n_layers the whole model.
  std::vector<LensReading> lens(Index layer, Index first, std::span<const TokenId> answers);

  /// Returns the attention of one head in one layer (N, N): row i says how much token i takes of each token j; 0 for
  /// j > i. Rows sum to 1.
  RowMajor<float> attention(Index layer, Index head);

 private:
  using Read = std::function<void(Index row, ConstVec<float> logits)>;

  void read_logits(Index first, Index count, const Read& read);
  std::optional<TokenId> next_of(Index row) const;

  Index vocab_size_, n_layers_;
  TokenRows rows_;
  std::unique_ptr<Runner<float>> runner_;
};

}  // namespace kiln
