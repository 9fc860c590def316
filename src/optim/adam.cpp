// One formula for Adam and AdamW: of two factors of the weight decay, the one or the other is zero.
#include "kiln/optim/adam.h"

#include "kiln/optim/makers.h"

#include <cmath>
#include <utility>

namespace kiln {

Adam::Adam(const OptimizerConfig& config, const ParameterLayout& layout, Decay decay, Chunks chunks)
    : config_(config), decay_(decay), chunks_(std::move(chunks)), first_moment_(layout), second_moment_(layout) {}

void Adam::step(ParameterBuffer<float>& weights, const ParameterBuffer<float>& gradients, const OptimizerStep& step) {
  const double t = static_cast<double>(step.step) + 1.0;
  const double lr = config_.learning_rate * step.learning_rate_multiplier;
  const auto coupled = decay_ == Decay::in_gradient ? 1.0f : 0.0f;
  const auto decoupled = decay_ == Decay::decoupled ? static_cast<float>(lr) : 0.0f;
  const auto beta1 = static_cast<float>(config_.beta1), rest1 = static_cast<float>(1.0 - config_.beta1);
  const auto beta2 = static_cast<float>(config_.beta2), rest2 = static_cast<float>(1.0 - config_.beta2);
  const auto epsilon = static_cast<float>(config_.epsilon);
  const auto size = static_cast<float>(lr / (1.0 - std::pow(config_.beta1, t)));
  const auto unbias = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(config_.beta2, t)));
  auto formula = [=](float weight_decay, float g, float& w, float& m, float& v) {
    g += coupled * weight_decay * w;
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * (g * g);
    w = (1.0f - decoupled * weight_decay) * w - size * m / (unbias * std::sqrt(v) + epsilon);
  };
  update_elements(chunks_, step.gradient_scale, gradients, weights, formula, first_moment_, second_moment_);
}

std::unique_ptr<Optimizer> make_adam(const OptimizerConfig& config, const ParameterLayout& layout) {
  return std::make_unique<Adam>(config, layout, Decay::in_gradient, make_chunks(config, layout));
}

std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config, const ParameterLayout& layout) {
  return std::make_unique<Adam>(config, layout, Decay::decoupled, make_chunks(config, layout));
}

}  // namespace kiln
