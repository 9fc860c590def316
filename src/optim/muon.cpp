// Muon: hidden matrices move along the orthogonal matrix nearest to their momentum, all else by AdamW.
#include "kiln/optim/adam.h"
#include "kiln/optim/elementwise.h"
#include "kiln/optim/makers.h"
#include "kiln/optim/newton_schulz.h"

#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

constexpr Index kGrain = 4096;  // elements

/// A matrix of its own: a hidden matrix, or one of those that lie side by side in it.
struct Part {
  Index begin;  // in every buffer
  Index rows, cols;
  Index stride;  // from row to row
  float weight_decay;
};

std::vector<Part> find_parts(const OptimizerConfig& config, const ParameterLayout& layout) {
  std::vector<Part> parts;
  for (const Parameter& p : layout.parameters()) {
    if (!p.trainable || !is_hidden_matrix(p.role)) continue;
    const auto weight_decay = static_cast<float>(weight_decay_of(config, p));
    Index begin = p.offset;
    for (const Index width : p.column_groups.empty() ? std::vector<Index>{p.cols} : p.column_groups) {
      parts.push_back({begin, p.rows, width, p.cols, weight_decay});
      begin += width;
    }
  }
  return parts;
}

std::size_t scratch_for(const std::vector<Part>& parts) {
  Arena arena = Arena::counting();
  for (const Part& part : parts) {
    const std::size_t mark = arena.mark();
    NewtonSchulzRoom(arena, part.rows, part.cols);
    arena.release(mark);
  }
  return arena.peak_bytes();
}

bool moves_by_adamw(Role role) { return !is_hidden_matrix(role); }

/// m = mu m + (1 - mu) g;   u = (1 - mu) g + mu m.   A row of `count`.
void look_ahead(Index count, float mu, float gradient_scale, const float* __restrict gradient, float* __restrict m,
                float* __restrict u) {
  const float rest = (1.0f - mu) * gradient_scale;
  for (Index i = 0; i < count; ++i) {
    m[i] = mu * m[i] + rest * gradient[i];
    u[i] = rest * gradient[i] + mu * m[i];
  }
}

/// w = keep w - size o.   A row of `count`.
void move(Index count, float keep, float size, const float* __restrict o, float* __restrict w) {
  for (Index i = 0; i < count; ++i) w[i] = keep * w[i] - size * o[i];
}

/// For each part (in, out), with g the scaled gradient and lr muon_learning_rate times the schedule's multiplier:
///   m = mu m + (1 - mu) g
///   o = newton_schulz((1 - mu) g + mu m) sqrt(max(1, out / in))
///   w = (1 - lr weight_decay) w - lr o
/// Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); arXiv:2502.16982.
class Muon final : public Optimizer {
 public:
  Muon(const OptimizerConfig& config, const ParameterLayout& layout)
      : config_(config),
        parts_(find_parts(config, layout)),
        scratch_(scratch_for(parts_)),
        adamw_(config, layout, Decay::decoupled, make_chunks(config, layout, moves_by_adamw)) {}

  void step(Weights weights, const ParameterBuffer<float>& gradients, const OptimizerStep& step) override {
    adamw_.step(weights, gradients, step);
    for (const Part& part : parts_) move_part(part, weights, gradients.data(), step);
  }

  std::vector<OptimizerSlot> slots() override { return adamw_.slots(); }

 private:
  void move_part(const Part& part, Weights weights, const float* gradients, const OptimizerStep& step) {
    const std::size_t mark = scratch_.mark();
    const NewtonSchulzRoom room(scratch_, part.rows, part.cols);
    const Index grain = std::max<Index>(1, kGrain / part.cols);
    const auto mu = static_cast<float>(config_.muon_momentum);
    const auto gradient_scale = static_cast<float>(step.gradient_scale);
    float* momentum = adamw_.first_moment().data();  // AdamW leaves the hidden matrices' share of it alone
    parallel_for(part.rows, grain, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const Index at = part.begin + i * part.stride;
        look_ahead(part.cols, mu, gradient_scale, gradients + at, momentum + at, row(room.x, i));
      }
    });

    const Mat<float> orthogonal = newton_schulz(room);

    const double lr = config_.muon_learning_rate * step.learning_rate_multiplier;
    const double widening = static_cast<double>(part.cols) / static_cast<double>(part.rows);
    const auto size = static_cast<float>(lr * std::sqrt(std::max(1.0, widening)));
    const auto keep = 1.0f - static_cast<float>(lr) * part.weight_decay;
    parallel_for(part.rows, grain, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const Index at = part.begin + i * part.stride;
        move(part.cols, keep, size, row(orthogonal, i), weights.masters().data() + at);
        weights.round(at, part.cols);
      }
    });
    scratch_.release(mark);
  }

  OptimizerConfig config_;
  std::vector<Part> parts_;
  Arena scratch_;
  Adam adamw_;
};

}  // namespace

std::unique_ptr<Optimizer> make_muon(const OptimizerConfig& config, const ParameterLayout& layout) {
  return std::make_unique<Muon>(config, layout);
}

std::size_t muon_scratch_bytes(const ParameterLayout& layout) { return scratch_for(find_parts({}, layout)); }

}  // namespace kiln
