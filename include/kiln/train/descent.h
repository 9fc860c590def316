// Walks down the gradient of one batch's loss, step by step, and back again.
#pragma once

#include "kiln/nn/model_weights.h"
#include "kiln/train/batch_loss.h"

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

namespace kiln {

/// Returns a copy of a model's weights in float.
ParameterBuffer<float> copy_of_weights(const ModelView& model);

/// The L2 norms of a tensor's gradient and of the tensor itself.
struct TensorNorms {
  ParameterId id;
  double gradient = 0, weights = 0;
};

/// Plain gradient descent (SGD without momentum, decay or clipping) on the loss of one batch, in float, on a copy of a
/// model's weights. Earlier weights are kept as far as memory allows, so that a step can be taken back exactly.
class Descent {
 public:
  static constexpr std::size_t kMostKept = 64;  // earlier weights

  /// Copies the weights of `model`, whose parts must outlive this object, and computes the gradient. Its memory stays
  /// within `most_bytes`. Throws Error: usage if that is less than least_bytes(), or memory cannot be allocated;
  /// diverged if loss or gradient are not finite.
  Descent(const ModelView& model, Batch batch, std::size_t most_bytes);

  /// Returns the memory for weights, gradient, activations and the weights of one step before.
  static std::size_t least_bytes(const ModelView& model, const Batch& batch);

  /// Subtracts `rate` times the gradient from the weights. Throws Error (diverged) if loss or gradient are not finite
  /// there; the weights are then as before.
  void step(double rate);

  /// Restores the weights before the last step, bit by bit. Returns false if they are not kept.
  bool undo();

  /// Restores the model's own weights.
  void reset();

  Index steps() const { return steps_; }                          // taken from the model's own weights
  Index undoable() const { return std::ssize(earlier_); }         // steps that can be taken back
  double loss() const { return loss_; }                           // in nats a token
  ParameterBuffer<float>& weights() { return *weights_; }         // where the descent is
  const Gradients<float>& gradient() const { return gradient_; }  // there

  /// Returns the norms of all tensors, in the order of the layout.
  std::vector<TensorNorms> norms() const;

 private:
  void look();

  ModelView model_;
  BatchLoss batch_loss_;
  std::unique_ptr<ParameterBuffer<float>> weights_;
  Gradients<float> gradient_;
  std::deque<std::unique_ptr<ParameterBuffer<float>>> earlier_;  // the last one at the back
  std::size_t most_kept_;
  Index steps_ = 0;
  double loss_ = 0;
};

}  // namespace kiln
