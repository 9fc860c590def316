// Updates hidden matrices by Muon, along the orthogonal matrix nearest to their momentum, and all else by AdamW.
#include "kiln/tensor/convert.h"

#include "optim/adam.h"
#include "optim/elementwise.h"
#include "optim/makers.h"
#include "optim/newton_schulz.h"
#include <algorithm>
#include <cmath>
#include <functional>

namespace kiln {
namespace {

/// A hidden matrix, or one of its column groups.
struct Part {
  ParameterId id;
  Index begin;  // in the parameter
  Index rows, cols;
  Index stride;  // between rows
  float weight_decay;
};

std::vector<Part> find_parts(const OptimizerConfig& config, const ParameterLayout& layout) {
  std::vector<Part> parts;
  for (const Parameter& p : layout.parameters()) {
    if (!is_hidden_matrix(p.role)) continue;
    const auto weight_decay = static_cast<float>(weight_decay_of(config, p));
    Index begin = 0;
    for (const Index width : p.column_groups) {
      parts.push_back({p.id, begin, p.rows, width, p.cols, weight_decay});
      begin += width;
    }
  }
  // Largest first, so that small parts at the end balance the threads.
  std::ranges::stable_sort(parts, std::ranges::greater(), [](const Part& part) { return part.rows * part.cols; });
  return parts;
}

/// Returns one thread's workspace in bytes, for float; bfloat16 needs half of it.
std::size_t scratch_for(const std::vector<Part>& parts) {
  return bytes_of([&](Arena& arena) {
    for (const Part& part : parts) {
      const std::size_t mark = arena.mark();
      NewtonSchulzWorkspace<float>(arena, part.rows, part.cols);
      arena.release(mark);
    }
  });
}

/// m = mu m + (1 - mu) g;   u = (1 - mu) g + mu m.   One row of `count` elements.
template <class T>
void look_ahead(Index count, float mu, float gradient_scale, const float* __restrict gradient, float* __restrict m,
                T* __restrict u) {
  const float rest = (1.0f - mu) * gradient_scale;
  for (Index i = 0; i < count; ++i) {
    m[i] = mu * m[i] + rest * gradient[i];
    u[i] = narrow<T>(rest * gradient[i] + mu * m[i]);
  }
}

/// w = keep w - size o.   One row of `count` elements.
template <class T>
void move(Index count, float keep, float size, const T* __restrict o, float* __restrict w) {
  for (Index i = 0; i < count; ++i) w[i] = keep * w[i] - size * widen(o[i]);
}

/// For each part (in, out), with g the scaled gradient and lr muon_learning_rate times the schedule's multiplier:
///   m = mu m + (1 - mu) g
///   o = newton_schulz((1 - mu) g + mu m) sqrt(max(1, out / in))
///   w = (1 - lr weight_decay) w - lr o
/// If the weights have a bfloat16 copy, newton_schulz runs in bfloat16, as in the original implementation.
/// Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); arXiv:2502.16982.
class Muon final : public Optimizer {
 public:
  Muon(const OptimizerConfig& config, const ParameterLayout& layout)
      : config_(config),
        parts_(find_parts(config, layout)),
        adamw_(config, layout, Decay::decoupled, layout.subset(is_moved_by_adamw)) {
    for (int i = 0; i < threads(); ++i) scratch_.emplace_back(scratch_for(parts_));
  }

  void step(Weights weights, const ParameterBuffer<float>& gradients, const OptimizerStep& step) override {
    adamw_.step(weights, gradients, step);
    // One part per thread, not one product on all threads: most matrices are too small to be split.
    parallel_each(static_cast<Index>(parts_.size()), [&](Index i) {
      const Part& part = parts_[static_cast<std::size_t>(i)];
      Arena& scratch = scratch_[static_cast<std::size_t>(thread_index())];
      if (weights.has_rounded()) {
        move_part<bfloat16>(part, weights, gradients, step, scratch);
      } else {
        move_part<float>(part, weights, gradients, step, scratch);
      }
    });
  }

  std::vector<OptimizerSlot> slots() override { return adamw_.slots(); }

 private:
  template <class T>
  void move_part(const Part& part, Weights weights, const ParameterBuffer<float>& gradients, const OptimizerStep& step,
                 Arena& scratch) {
    const std::size_t mark = scratch.mark();
    const NewtonSchulzWorkspace<T> workspace(scratch, part.rows, part.cols);
    const auto mu = static_cast<float>(config_.muon_momentum);
    const auto gradient_scale = static_cast<float>(step.gradient_scale);
    const float* const gradient = gradients.vec(part.id).data();
    float* const weight = weights.masters().vec(part.id).data();
    float* const momentum = adamw_.first_moment().vec(part.id).data();  // which AdamW does not use
    for (Index i = 0; i < part.rows; ++i) {
      const Index at = part.begin + i * part.stride;
      look_ahead(part.cols, mu, gradient_scale, gradient + at, momentum + at, row(workspace.x, i));
    }

    const Mat<T> orthogonal = newton_schulz(workspace);

    const double lr = config_.muon_learning_rate * step.learning_rate_multiplier;
    const double widening = static_cast<double>(part.cols) / static_cast<double>(part.rows);
    const auto size = static_cast<float>(lr * std::sqrt(std::max(1.0, widening)));
    const auto keep = 1.0f - static_cast<float>(lr) * part.weight_decay;
    for (Index i = 0; i < part.rows; ++i) {
      const Index at = part.begin + i * part.stride;
      move(part.cols, keep, size, row(orthogonal, i), weight + at);
      weights.round(part.id, at, part.cols);
    }
    scratch.release(mark);
  }

  OptimizerConfig config_;
  std::vector<Part> parts_;
  std::vector<Arena> scratch_;  // one per thread
  Adam adamw_;
};

}  // namespace

std::unique_ptr<Optimizer> make_muon(const OptimizerConfig& config, const ParameterLayout& layout) {
  return std::make_unique<Muon>(config, layout);
}

bool is_moved_by_adamw(const Parameter& parameter) { return !is_hidden_matrix(parameter.role); }

std::size_t muon_scratch_bytes(const ParameterLayout& layout) {
  return static_cast<std::size_t>(threads()) * scratch_for(find_parts({}, layout));
}

}  // namespace kiln
