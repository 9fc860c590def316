// Updates weights by Adam or AdamW, which differ in where weight decay enters.
#pragma once

#include "kiln/optim/optimizer.h"

#include "optim/elementwise.h"
#include <vector>

namespace kiln {

/// Where weight decay enters: the gradient and so the moments (Adam, arXiv:1412.6980, as in torch.optim.Adam), or the
/// weights only, before the update (AdamW, arXiv:1711.05101).
enum class Decay { in_gradient, decoupled };

/// With g the scaled gradient (Adam: plus weight_decay w) and t = step + 1:
///   AdamW: w *= 1 - lr weight_decay
///   m = beta1 m + (1 - beta1) g
///   v = beta2 v + (1 - beta2) g^2
///   w -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
class Adam final : public Optimizer {
 public:
  /// Updates the parameters of `moved`, all of them or some. Slot m spans the whole layout, slot v those that move.
  Adam(const OptimizerConfig& config, const ParameterLayout& layout, Decay decay, const ParameterLayout& moved);

  void step(Weights weights, const ParameterBuffer<float>& gradients, const OptimizerStep& step) override;
  std::vector<OptimizerSlot> slots() override { return {{"m", &first_moment_}, {"v", &second_moment_}}; }

  /// Returns slot m, whose share of the other parameters is free for other use.
  ParameterBuffer<float>& first_moment() { return first_moment_; }

 private:
  OptimizerConfig config_;
  Decay decay_;
  ParameterLayout moved_;
  Chunks chunks_;  // of moved_
  ParameterBuffer<float> first_moment_, second_moment_;
};

}  // namespace kiln
