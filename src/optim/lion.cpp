// Updates weights by Lion: the sign of a momentum (arXiv:2302.06675).
#include "optim/elementwise.h"
#include "optim/makers.h"

namespace kiln {
namespace {

/// With g the scaled gradient:
///   c = beta1 m + (1 - beta1) g
///   w = (1 - lr weight_decay) w - lr sign(c),   sign(0) = 0
///   m = beta2 m + (1 - beta2) g
class Lion final : public Optimizer {
 public:
  Lion(const OptimizerConfig& config, const ParameterLayout& layout)
      : config_(config), chunks_(make_chunks(config, layout)), momentum_(layout) {}

  void step(Weights weights, const ParameterBuffer<float>& gradients, const OptimizerStep& step) override {
    const auto lr = static_cast<float>(config_.learning_rate * step.learning_rate_multiplier);
    const auto beta1 = static_cast<float>(config_.beta1), rest1 = static_cast<float>(1.0 - config_.beta1);
    const auto beta2 = static_cast<float>(config_.beta2), rest2 = static_cast<float>(1.0 - config_.beta2);
    auto formula = [=](float weight_decay, float g, float& w, float& m) {
      const float c = beta1 * m + rest1 * g;
      const float sign = static_cast<float>(c > 0.0f) - static_cast<float>(c < 0.0f);
      w = (1.0f - lr * weight_decay) * w - lr * sign;
      m = beta2 * m + rest2 * g;
    };
    update_elements(chunks_, step.gradient_scale, gradients, weights, formula, momentum_);
  }

  std::vector<OptimizerSlot> slots() override { return {{"m", &momentum_}}; }

 private:
  OptimizerConfig config_;
  Chunks chunks_;
  ParameterBuffer<float> momentum_;
};

}  // namespace

std::unique_ptr<Optimizer> make_lion(const OptimizerConfig& config, const ParameterLayout& layout) {
  return std::make_unique<Lion>(config, layout);
}

}  // namespace kiln
