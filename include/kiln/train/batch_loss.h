// Computes the loss of one batch, and its gradient, as a function of the weights.
#pragma once

#include "kiln/data/batch.h"
#include "kiln/nn/runner.h"
#include "kiln/text/token.h"
#include "kiln/train/objective.h"

#include <cstddef>
#include <memory>
#include <span>

namespace kiln {

/// Returns a batch with one text (T), in which tokens [first, T) are scored, each given those before it.
/// Requires 1 <= first < T.
Batch batch_of_text(std::span<const TokenId> tokens, Index first);

/// The mean cross-entropy of a batch's scored tokens, in nats, without dropout, for weights in float. Only one thread
/// at a time may use it.
class BatchLoss {
 public:
  enum class Needs { loss, gradient };

  /// Takes the memory for a forward and, if it is needed, a backward. Throws Error (usage) if it cannot be allocated.
  BatchLoss(const ModelConfig& config, Index vocab_size, Batch batch, Needs needs);

  /// Returns the loss.
  double loss(ParameterBuffer<float>& weights);
  /// Returns the loss and writes its gradient.
  double gradient(ParameterBuffer<float>& weights, Gradients<float>& gradient);

  const Batch& batch() const { return batch_; }

  /// Returns the bytes that it takes, without allocating them.
  static std::size_t bytes(const ModelConfig& config, Index vocab_size, const Batch& batch, Needs needs);

 private:
  Batch batch_;
  NextToken objective_;
  std::unique_ptr<Runner<float>> runner_;
  BatchRunner<float> batch_runner_;
  double weight_;  // of the batch
};

}  // namespace kiln
