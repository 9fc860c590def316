// What training makes small: from hidden states to a loss and their gradient.
#pragma once

#include "kiln/data/batcher.h"
#include "kiln/nn/language_model.h"

namespace kiln {

/// A loss over the trunk's hidden states. Preference losses and policy gradients are further objectives over the same
/// trunk and trainer.
class Objective {
 public:
  Objective() = default;
  virtual ~Objective() = default;
  Objective(const Objective&) = delete;
  Objective& operator=(const Objective&) = delete;

  /// Takes the memory for batches of B sequences of T tokens; the same on a counting arena.
  virtual void lay_out(Arena& arena, Index B, Index T) = 0;

  /// Returns scale * (sum of the losses of the batch's positions) and writes its gradient with respect to the hidden
  /// states into d_hidden; adds that of the head's own parameters. hidden, d_hidden (B*T, C).
  virtual double forward_backward(const ParameterBuffer<float>& weights, const Batch& batch, double scale,
                                  ConstMat<float> hidden, Mat<float> d_hidden, ParameterBuffer<float>& gradients) = 0;
};

/// Pre-training: the cross-entropy of the next token, every position alike.
class NextTokenObjective final : public Objective {
 public:
  explicit NextTokenObjective(const LanguageModel<float>& model) : head_(model.head) {}

  void lay_out(Arena& arena, Index B, Index T) override;
  double forward_backward(const ParameterBuffer<float>& weights, const Batch& batch, double scale,
                          ConstMat<float> hidden, Mat<float> d_hidden, ParameterBuffer<float>& gradients) override;

 private:
  const NextTokenHead<float>& head_;
  struct Memory {
    HeadScratch<float> head;
    Vec<float> losses, position_weights;  // (B*T)
  };
  std::vector<Memory> memory_;  // one, once it is laid out
};

}  // namespace kiln
