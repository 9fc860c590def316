// Defines the loss of policy gradients.
#pragma once

#include "kiln/run/policy_config.h"
#include "kiln/train/objective.h"

namespace kiln {

/// The loss of tokens that a policy drew. Of a token with the advantage A, whose probability has the ratio
/// r = exp(log p - log p when it was drawn), and with d = log p - log p of the reference, it is
///   -min(r A, clip(r, 1 - clip_low, 1 + clip_high) A) + kl_weight k (arXiv:1707.06347),
/// where k is d^2 / 2 (k2_in_loss) or exp(-d) - 1 + d (k3_in_loss), times the token's weight. With a value head, whose
/// estimates V follow the log probabilities in the outputs, a token adds
///   value_weight max((V - R)^2, (V_old + clip(V - V_old, -value_clip, value_clip) - R)^2) / 2
/// for its return R.
class PolicyObjective final : public Objective {
 public:
  /// The config must be resolved.
  explicit PolicyObjective(const PolicyConfig& config) : config_(config) {}

  bool reads_outputs() const override { return true; }
  double loss(const Batch& batch, std::span<const double> outputs) const override;
  void gradient(const Batch& batch, std::span<const double> outputs, std::span<double> d_outputs) const override;
  /// Returns the tokens, or the sequences, as loss_type says.
  double weight(const Batch& batch) const override;
  void measure(const Batch& batch, std::span<const double> outputs, Measures& measures) const override;

 private:
  struct Term {
    double loss = 0, slope = 0;  // slope: of the loss with respect to the output
  };
  Term surrogate(double advantage, double log_ratio) const;
  Term divergence(double difference) const;
  Term value_loss(double value, double before, double target) const;
  bool is_clipped(double advantage, double ratio) const;

  PolicyConfig config_;
};

}  // namespace kiln
