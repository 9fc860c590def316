// Exact loss over a whole text.
#pragma once

#include "kiln/data/batcher.h"
#include "kiln/nn/language_model.h"

#include <functional>
#include <optional>
#include <vector>

namespace kiln {

struct Evaluation {
  double loss = 0;            // nats a token, averaged over all targets
  double confidence_low = 0;  // the 95% interval of the loss, from the spread of the windows' sums
  double confidence_high = 0;
  double accuracy = 0;                  // share of targets that were the likeliest token
  Index tokens = 0;                     // targets scored: one less than the tokens of the text
  std::optional<double> bits_per_byte;  // where the number of bytes of the text is known
  double seconds = 0;

  double perplexity() const;
  double tokens_per_second() const { return static_cast<double>(tokens) / seconds; }
};

/// Scores texts in non-overlapping windows of n_ctx, each target once. Its memory is laid out at construction, for
/// batches of a few thousand tokens.
class Evaluator {
 public:
  explicit Evaluator(const LanguageModel<float>& model);

  /// Called between batches with the share done, in [0, 1].
  using Progress = std::function<void(double)>;

  /// Throws Error (usage) where the text has fewer than 2 tokens, (bad_input) for a token outside the vocabulary.
  Evaluation evaluate(const ParameterBuffer<float>& weights, const TokenFile& tokens, const Progress& progress = {});

  /// Bytes that an evaluator takes for this model.
  static std::size_t memory_bytes(const LanguageModel<float>& model);

 private:
  void score(const ParameterBuffer<float>& weights, const Batch& batch);

  const LanguageModel<float>& model_;
  Index windows_;  // a batch
  Arena arena_;
  Batch batch_;
  std::vector<float> losses_;
  std::vector<std::int32_t> best_;
};

}  // namespace kiln
