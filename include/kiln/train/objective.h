// Defines the objective of training: a function of the outputs of scored rows, and its gradient.
#pragma once

#include "kiln/data/batcher.h"
#include "kiln/nn/runner.h"

#include <span>
#include <vector>

namespace kiln {

/// Maps the outputs of a batch's M scored rows, log p of their targets, to a loss. The loss and its gradient are sums
/// over the batch; the step divides them once, by the weight of all its batches.
class Objective {
 public:
  Objective() = default;
  virtual ~Objective() = default;
  Objective(const Objective&) = delete;
  Objective& operator=(const Objective&) = delete;

  /// Returns true if the gradient depends on the outputs. The logits are then computed twice: for the outputs, and for
  /// the gradient of the hidden states.
  virtual bool reads_outputs() const = 0;
  /// Returns the loss.   outputs (M).
  virtual double loss(const Batch& batch, std::span<const double> outputs) const = 0;
  /// Writes the gradient of the loss.   outputs (M), or empty unless reads_outputs(); d_outputs (M).
  virtual void gradient(const Batch& batch, std::span<const double> outputs, std::span<double> d_outputs) const = 0;
};

/// Cross-entropy of the next token: loss = -sum_m weights[m] * outputs[m].
class NextToken final : public Objective {
 public:
  bool reads_outputs() const override { return false; }
  double loss(const Batch& batch, std::span<const double> outputs) const override;
  void gradient(const Batch& batch, std::span<const double> outputs, std::span<double> d_outputs) const override;
};

/// Runs batches through a model for an objective. A is the type of the model's scores: float, or double in the gradient
/// check, which thus tests the code that trains.
template <class A>
class BatchRunner {
 public:
  /// Both must outlive this object.
  BatchRunner(Runner<A>& runner, const Objective& objective) : runner_(runner), objective_(objective) {}

  /// Returns the loss of a batch.
  double loss(Weights weights, const Batch& batch, const StepContext& step);
  /// Returns the loss of a batch and adds its gradient. Both are 0 for a batch without scored rows.
  double backward(Weights weights, const Batch& batch, const StepContext& step, Gradients<A>& gradients);

 private:
  void score(const Batch& batch);
  void read_outputs();

  Runner<A>& runner_;
  const Objective& objective_;
  std::vector<A> losses_, d_losses_;         // (M): -log p, as in the runner
  std::vector<double> outputs_, d_outputs_;  // (M): log p, as in the objective
};

}  // namespace kiln
