// What training makes small: from hidden states to a loss and their gradient.
#pragma once

#include "kiln/data/batcher.h"
#include "kiln/nn/language_model.h"

#include <optional>

namespace kiln {

/// A loss over the trunk's hidden states. Preference losses and policy gradients are further objectives over the same
/// trunk and trainer.
template <class T>
class Objective {
 public:
  Objective() = default;
  virtual ~Objective() = default;
  Objective(const Objective&) = delete;
  Objective& operator=(const Objective&) = delete;

  /// Takes the memory for batches of up to N positions; the same on a counting arena.
  virtual void lay_out(Arena& arena, Index N) = 0;

  /// Returns scale * (sum of the losses of the batch's positions) and puts its gradient with respect to the hidden
  /// states in their place; adds that of the head's own parameters. hidden (B*T, C).
  virtual double forward_backward(const ParameterBuffer<T>& weights, const Batch& batch, double scale, Mat<T> hidden,
                                  Gradients<Acc<T>>& gradients) = 0;
};

/// Pre-training: the cross-entropy of the next token, every position alike.
template <class T>
class NextTokenObjective final : public Objective<T> {
 public:
  explicit NextTokenObjective(const LanguageModel<T>& model) : head_(model.head) {}

  void lay_out(Arena& arena, Index N) override;
  double forward_backward(const ParameterBuffer<T>& weights, const Batch& batch, double scale, Mat<T> hidden,
                          Gradients<Acc<T>>& gradients) override;

 private:
  const NextTokenHead<T>& head_;
  struct Memory {
    HeadScratch<T> head;
    Vec<Acc<T>> losses, position_weights;  // (N)
  };
  std::optional<Memory> memory_;  // once it is laid out
};

}  // namespace kiln
