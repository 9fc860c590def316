// Implements Adam and AdamW with one formula, which weight decay enters in one of two places.
#include "optim/adam.h"

#include "optim/makers.h"
#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

constexpr Index kBlockElements = 1024;  // all five arrays of a block fit in the L1 cache

/// A block of elements of fixed capacity, so that nothing is allocated.
using Elements = Eigen::Array<float, Eigen::Dynamic, 1, Eigen::ColMajor, kBlockElements, 1>;

}  // namespace

Adam::Adam(const OptimizerConfig& config, const ParameterLayout& layout, Decay decay, const ParameterLayout& moved)
    : config_(config),
      decay_(decay),
      moved_(moved),
      chunks_(make_chunks(config, moved_)),
      first_moment_(layout),
      second_moment_(moved_) {}

// Uses Eigen arrays, not update_elements: compilers do not vectorise a loop over std::sqrt, which may set errno.
void Adam::step(Weights weights, const ParameterBuffer<float>& gradients, const OptimizerStep& step) {
  const double t = static_cast<double>(step.step) + 1.0;
  const double lr = config_.learning_rate * step.learning_rate_multiplier;
  const auto scale = static_cast<float>(step.gradient_scale);
  const auto beta1 = static_cast<float>(config_.beta1), rest1 = static_cast<float>(1.0 - config_.beta1);
  const auto beta2 = static_cast<float>(config_.beta2), rest2 = static_cast<float>(1.0 - config_.beta2);
  const auto epsilon = static_cast<float>(config_.epsilon);
  const auto size = static_cast<float>(lr / (1.0 - std::pow(config_.beta1, t)));
  const auto unbias = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(config_.beta2, t)));
  parallel_each(static_cast<Index>(chunks_.size()), [&](Index i) {
    const DecayedChunk& chunk = chunks_[static_cast<std::size_t>(i)];
    const float* const gradient_elements = elements(gradients, chunk);
    float* const weight = elements(weights.masters(), chunk);
    float *const first_moment = elements(first_moment_, chunk), *const second_moment = elements(second_moment_, chunk);
    const float coupled = decay_ == Decay::in_gradient ? chunk.weight_decay : 0.0f;
    const float keep = decay_ == Decay::decoupled ? 1.0f - static_cast<float>(lr) * chunk.weight_decay : 1.0f;
    for (Index done = 0; done < chunk.count; done += kBlockElements) {
      const Index count = std::min(kBlockElements, chunk.count - done);
      const Eigen::Map<const Elements> gradient(gradient_elements + done, count);
      Eigen::Map<Elements> w(weight + done, count), m(first_moment + done, count), v(second_moment + done, count);
      const Elements g = scale * gradient + coupled * w;
      m = beta1 * m + rest1 * g;
      v = beta2 * v + rest2 * g.square();
      w = keep * w - size * m / (unbias * v.sqrt() + epsilon);
      weights.round(chunk.id, chunk.begin + done, count);
    }
  });
}

std::unique_ptr<Optimizer> make_adam(const OptimizerConfig& config, const ParameterLayout& layout) {
  return std::make_unique<Adam>(config, layout, Decay::in_gradient, layout);
}

std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config, const ParameterLayout& layout) {
  return std::make_unique<Adam>(config, layout, Decay::decoupled, layout);
}

}  // namespace kiln
