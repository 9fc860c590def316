// Computes the loss over a text, exactly over all of it or estimated from a part.
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

/// Tokens evaluated in the time of one trained; assumed where it is not measured.
inline constexpr double kForwardSpeed = 2.5;

struct Evaluation {
  double loss = 0;                      // nats per token, averaged over all targets
  std::optional<double> margin;         // 95% interval: loss +- margin, from the spread of the sequences' sums;
                                        // null for a single sequence
  double accuracy = 0;                  // share of targets that were the likeliest token
  Index tokens = 0;                     // targets scored: all except the first token and those that follow a border
  std::optional<double> bits_per_byte;  // of the text of the scored targets; null if that is unknown or empty
  double seconds = 0;

  double perplexity() const;
  double tokens_per_second() const { return static_cast<double>(tokens) / seconds; }
};

/// Scores texts in non-overlapping windows of n_ctx tokens, each target once.
class Evaluator {
 public:
  Evaluator() = default;
  virtual ~Evaluator() = default;
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  /// Called between batches with the share done, in [0, 1]. Its exceptions end the evaluation.
  using Progress = std::function<void(double)>;

  /// Throws Error: usage if the text has fewer than 2 tokens; bad_input for a token outside the vocabulary.
  virtual Evaluation evaluate(Weights weights, const TokenFile& tokens, const Progress& progress = {}) = 0;
};

/// Returns an evaluator that computes in this precision. In texts with more than `most_tokens` targets it scores only
/// evenly spread windows (data/batcher.h). `text_bytes` (text_bytes_by_token) are the bytes of text of each id; without
/// them bits per byte are unknown. No attention crosses a token `border` (data/batcher.h). Allocates memory for batches
/// of a thousand tokens.
std::unique_ptr<Evaluator> make_evaluator(const ModelConfig& config, Index vocab_size, Precision precision,
                                          std::vector<std::uint32_t> text_bytes = {},
                                          Index most_tokens = std::numeric_limits<Index>::max(),
                                          std::optional<TokenId> border = {});

/// Returns the bytes of an evaluator without allocating them.
std::size_t evaluator_bytes(const ModelConfig& config, Index vocab_size, Precision precision);

}  // namespace kiln
