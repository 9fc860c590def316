// The loss over a text, exact over all of it or estimated from a part.
#pragma once

#include "kiln/data/batcher.h"
#include "kiln/kernels/precision.h"
#include "kiln/nn/model_config.h"
#include "kiln/tensor/parameters.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

namespace kiln {

/// Tokens evaluated in the time of one trained, where it is not measured.
inline constexpr double kForwardSpeed = 2.5;

struct Evaluation {
  double loss = 0;                      // nats a token, averaged over all targets
  std::optional<double> margin;         // the 95% interval is loss +- margin, from the spread of the sequences' sums;
                                        // unknown from a single sequence
  double accuracy = 0;                  // share of targets that were the likeliest token
  Index tokens = 0;                     // targets scored: all tokens but the first and those that follow a border
  std::optional<double> bits_per_byte;  // of the text that the scored targets stand for, where they stand for any
  double seconds = 0;

  double perplexity() const;
  double tokens_per_second() const { return static_cast<double>(tokens) / seconds; }
};

/// Scores texts in non-overlapping windows of n_ctx, each target once.
class Evaluator {
 public:
  Evaluator() = default;
  virtual ~Evaluator() = default;
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  /// Called between batches with the share done, in [0, 1]. What it throws ends the evaluation.
  using Progress = std::function<void(double)>;

  /// Throws Error (usage) where the text has fewer than 2 tokens, (bad_input) for a token outside the vocabulary.
  virtual Evaluation evaluate(Weights weights, const TokenFile& tokens, const Progress& progress = {}) = 0;
};

/// Makes an evaluator that computes in this precision. Of texts with more than `most_tokens` targets it scores evenly
/// spread windows only (data/batcher.h). `text_bytes` (text_bytes_by_token) are the bytes of text that each id stands
/// for; without them bits per byte are unknown. `border` is a token that no attention runs over (data/batcher.h).
/// Allocates memory for batches of a thousand tokens.
std::unique_ptr<Evaluator> make_evaluator(const ModelConfig& config, Index vocab_size, Precision precision,
                                          std::vector<std::uint32_t> text_bytes = {},
                                          Index most_tokens = std::numeric_limits<Index>::max(),
                                          std::optional<TokenId> border = {});

/// Returns the bytes that it takes, without taking them.
std::size_t evaluator_bytes(const ModelConfig& config, Index vocab_size, Precision precision);

}  // namespace kiln
