// Defines the objective of training: a function of the outputs of scored rows, and its gradient.
#pragma once

#include "kiln/data/batcher.h"
#include "kiln/nn/runner.h"
#include "kiln/run/objective_config.h"
#include "kiln/run/policy_config.h"

#include <memory>
#include <span>
#include <vector>

namespace kiln {

/// What comparisons of answers add up to, each times its weight.
struct PreferenceSums {
  double weight = 0;          // of all comparisons
  double decided_weight = 0;  // of those that are not ties
  double loss = 0;            // of the comparisons alone
  double indifferent = 0;     // what that loss would be if the model liked all answers alike
  double chosen_reward = 0, rejected_reward = 0;
  Index decided = 0;   // the number of those that are not ties
  double correct = 0;  // of those that are not ties: the weight of those whose chosen answer has the higher reward
  double chosen_log_prob = 0, rejected_log_prob = 0;  // of whole answers; of a score head, their scores

  void add(const PreferenceSums& other);
};

/// What tokens that a policy drew add up to, each counted once.
struct PolicySums {
  double tokens = 0;
  double divergence = 0;         // r - 1 - log r of the ratio r of a token's probability to that when it was drawn
  double low = 0, high = 0;      // tokens that the lower and the upper clip keep from the gradient
  double largest_log_ratio = 0;  // of all tokens, by its size
  double value_loss = 0;         // half the squared error

  void add(const PolicySums& other);
};

/// What an objective measures in a step.
struct Measures {
  PreferenceSums preferences;
  PolicySums policy;
};

/// Maps the outputs of a batch's M scored rows to a loss: log p of their targets, or the numbers of a score head; of a
/// model with a value head, M values follow the log probabilities, so that (M) below is (2M). The
/// loss and its gradient are sums over the batch; the step divides them once, by the weight of all its batches.
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
  /// Returns the weight of the batch.
  virtual double weight(const Batch& batch) const = 0;
  /// Adds what the batch's comparisons or drawn tokens add up to; nothing for an objective without.   outputs (M).
  virtual void measure(const Batch& /*batch*/, std::span<const double> /*outputs*/, Measures& /*sums*/) const {}
};

/// Cross-entropy of the next token: loss = -sum_m weights[m] * outputs[m].
class NextToken final : public Objective {
 public:
  bool reads_outputs() const override { return false; }
  double loss(const Batch& batch, std::span<const double> outputs) const override;
  void gradient(const Batch& batch, std::span<const double> outputs, std::span<double> d_outputs) const override;
  double weight(const Batch& batch) const override;
};

/// Returns the objective that a config names. `policy` must be resolved.
std::unique_ptr<Objective> make_objective(const ObjectiveConfig& config, const PolicyConfig& policy);

/// Runs batches through a model for an objective. A is the type of the model's scores: float, or double in the gradient
/// check, which thus tests the code that trains.
template <class A>
class BatchRunner {
 public:
  /// Both must outlive this object.
  BatchRunner(Runner<A>& runner, const Objective& objective)
      : runner_(runner), objective_(objective), head_(runner.config().head) {}

  /// Returns the loss of a batch.
  double loss(Weights weights, const Batch& batch, const StepContext& step);
  /// Returns the loss of a batch and adds its gradient. Both are 0 for a batch without scored rows.
  double backward(Weights weights, const Batch& batch, const StepContext& step, Gradients<A>& gradients);
  /// Returns the outputs of the last batch.   (M)
  std::span<const double> outputs() const { return outputs_; }

 private:
  void score(const Batch& batch);
  void read_outputs();
  std::size_t outputs_of(const Batch& batch) const;
  double sign(std::size_t i) const;

  Runner<A>& runner_;
  const Objective& objective_;
  HeadKind head_;
  std::vector<A> scores_, d_scores_;         // (M), as in the runner, which has -log p for the objective's log p
  std::vector<double> outputs_, d_outputs_;  // (M), as in the objective
};

}  // namespace kiln
