// Adam and AdamW, which differ in where weight decay enters.
#pragma once

#include "kiln/optim/optimizer.h"

#include "optim/elementwise.h"
#include <vector>

namespace kiln {

/// In the gradient, and so in the moments (Adam, arXiv:1412.6980, as in torch.optim.Adam); or on the weights alone,
/// before the update (AdamW, arXiv:1711.05101).
enum class Decay { in_gradient, decoupled };

/// With g the scaled gradient (Adam: plus weight_decay w) and t = step + 1:
///   AdamW: w *= 1 - lr weight_decay
///   m = beta1 m + (1 - beta1) g
///   v = beta2 v + (1 - beta2) g^2
///   w -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
class Adam final : public Optimizer {
 public:
  /// Moves the parameters alone whose role is covered. Slot m spans the layout all the same, v those parameters.
  Adam(const OptimizerConfig& config, const ParameterLayout& layout, Decay decay, bool (*covers)(Role) = any_role);

  void step(Weights weights, const ParameterBuffer<float>& gradients, const OptimizerStep& step) override;
  std::vector<OptimizerSlot> slots() override { return {{"m", &first_moment_}, {"v", &second_moment_}}; }

  /// Slot m, free to use for parameters that are not covered.
  ParameterBuffer<float>& first_moment() { return first_moment_; }

 private:
  OptimizerConfig config_;
  Decay decay_;
  ParameterLayout moved_;         // those that are covered
  Chunks chunks_, moved_chunks_;  // the same ones, in the whole layout and in moved_
  ParameterBuffer<float> first_moment_, second_moment_;
};

}  // namespace kiln
