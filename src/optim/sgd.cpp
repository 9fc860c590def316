// Updates weights by stochastic gradient descent, with or without momentum.
#include "optim/elementwise.h"
#include "optim/makers.h"
#include <optional>

namespace kiln {
namespace {

/// With g the scaled gradient plus weight_decay w, as in torch.optim.SGD:
///   plain     w -= lr g
///   momentum  m = mu m + g;   w -= lr m
///   nesterov  m = mu m + g;   w -= lr (g + mu m)   (Sutskever et al., ICML 2013)
class Sgd final : public Optimizer {
 public:
  Sgd(const OptimizerConfig& config, const ParameterLayout& layout)
      : config_(config), chunks_(make_chunks(config, layout)) {
    if (config.momentum > 0) momentum_.emplace(layout);
  }

  void step(Weights weights, const ParameterBuffer<float>& gradients, const OptimizerStep& step) override {
    const auto lr = static_cast<float>(config_.learning_rate * step.learning_rate_multiplier);
    if (!momentum_) {
      auto plain = [lr](float weight_decay, float g, float& w) { w -= lr * (g + weight_decay * w); };
      update_elements(chunks_, step.gradient_scale, gradients, weights, plain);
      return;
    }
    const auto mu = static_cast<float>(config_.momentum);
    const float of_gradient = config_.nesterov ? 1.0f : 0.0f;
    const float of_momentum = config_.nesterov ? mu : 1.0f;
    auto heavy = [=](float weight_decay, float g, float& w, float& m) {
      g += weight_decay * w;
      m = mu * m + g;
      w -= lr * (of_gradient * g + of_momentum * m);
    };
    update_elements(chunks_, step.gradient_scale, gradients, weights, heavy, *momentum_);
  }

  std::vector<OptimizerSlot> slots() override {
    if (!momentum_) return {};
    return {{"m", &*momentum_}};
  }

 private:
  OptimizerConfig config_;
  Chunks chunks_;
  std::optional<ParameterBuffer<float>> momentum_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const OptimizerConfig& config, const ParameterLayout& layout) {
  return std::make_unique<Sgd>(config, layout);
}

}  // namespace kiln
