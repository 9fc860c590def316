// The optimizers once more, in double, element by element and without a thought for speed.
#pragma once

#include "kiln/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace kiln::testing {

/// A matrix as rows of doubles.
using Rows = std::vector<std::vector<double>>;

inline Rows transpose(const Rows& a) {
  Rows t(a[0].size(), std::vector<double>(a.size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a[0].size(); ++j) t[j][i] = a[i][j];
  }
  return t;
}

inline Rows multiply(const Rows& a, const Rows& b) {
  Rows c(a.size(), std::vector<double>(b[0].size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < b.size(); ++k) {
      for (std::size_t j = 0; j < b[0].size(); ++j) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c;
}

/// As tests/reference/README.md has it: the longer side lies in the columns, by transposition if need be.
inline Rows newton_schulz_oracle(Rows x) {
  if (x.size() > x[0].size()) return transpose(newton_schulz_oracle(transpose(x)));
  double squares = 0;
  for (const auto& row : x) {
    for (const double value : row) squares += value * value;
  }
  for (auto& row : x) {
    for (double& value : row) value /= std::sqrt(squares) + 1e-7;
  }
  for (int iteration = 0; iteration < 5; ++iteration) {
    const Rows gram = multiply(x, transpose(x));
    const Rows gram2 = multiply(gram, gram);
    Rows factor = gram;
    for (std::size_t i = 0; i < gram.size(); ++i) {
      for (std::size_t j = 0; j < gram.size(); ++j) factor[i][j] = -4.7750 * gram[i][j] + 2.0315 * gram2[i][j];
    }
    const Rows product = multiply(factor, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t j = 0; j < x[0].size(); ++j) x[i][j] = 3.4445 * x[i][j] + product[i][j];
    }
  }
  return x;
}

/// Weights and state in double; step() does what an Optimizer of the same config is to do.
class OptimizerOracle {
 public:
  OptimizerOracle(const OptimizerConfig& config, const ParameterBuffer<float>& weights, const ParameterLayout& trained)
      : config_(config),
        trained_(trained),
        layout_(weights.layout()),
        w_(weights.data(), weights.data() + layout_.extent()),
        m_(w_.size()),
        v_(w_.size()) {}

  double weight(Index at) const { return w_[static_cast<std::size_t>(at)]; }

  void step(const ParameterBuffer<float>& gradients, const OptimizerStep& step) {
    for (const Parameter& p : layout_.parameters()) {
      if (!trained_.has(p.id)) continue;
      const bool embedding = p.role == Role::token_embedding || p.role == Role::position_embedding;
      const bool vector = p.role == Role::norm || p.role == Role::bias;
      const double decay = vector || (embedding && !config_.decay_embeddings) ? 0.0 : config_.weight_decay;
      const bool head = p.role == Role::unembedding || p.role == Role::score;
      if (config_.type == OptimizerKind::muon && !vector && !embedding && !head) {
        move_by_muon(p, decay, gradients, step);
        continue;
      }
      for (Index at = p.offset; at < p.offset + p.size(); ++at) {
        const auto i = static_cast<std::size_t>(at);
        const double g = step.gradient_scale * static_cast<double>(gradients.data()[at]);
        move_element(decay, g, w_[i], m_[i], v_[i], step);
      }
    }
  }

 private:
  void move_element(double decay, double g, double& w, double& m, double& v, const OptimizerStep& step) const {
    const OptimizerConfig& c = config_;
    const double lr = c.learning_rate * step.learning_rate_multiplier;
    const double t = static_cast<double>(step.step) + 1;
    if (c.type == OptimizerKind::sgd) {
      g += decay * w;
      m = c.momentum * m + g;
      w -= lr * (c.nesterov ? g + c.momentum * m : m);
    } else if (c.type == OptimizerKind::lion) {
      const double direction = c.beta1 * m + (1 - c.beta1) * g;
      w *= 1 - lr * decay;
      if (direction != 0) w -= direction > 0 ? lr : -lr;
      m = c.beta2 * m + (1 - c.beta2) * g;
    } else {
      if (c.type == OptimizerKind::adam) {
        g += decay * w;
      } else {
        w *= 1 - lr * decay;
      }
      m = c.beta1 * m + (1 - c.beta1) * g;
      v = c.beta2 * v + (1 - c.beta2) * g * g;
      const double m_hat = m / (1 - std::pow(c.beta1, t)), v_hat = v / (1 - std::pow(c.beta2, t));
      w -= lr * m_hat / (std::sqrt(v_hat) + c.epsilon);
    }
  }

  void move_by_muon(const Parameter& p, double decay, const ParameterBuffer<float>& gradients,
                    const OptimizerStep& step) {
    const double mu = config_.muon_momentum, lr = config_.muon_learning_rate * step.learning_rate_multiplier;
    Index first = 0;
    for (const Index width : p.column_groups) {
      auto at = [&](std::size_t i, std::size_t j) {
        return static_cast<std::size_t>(p.offset + static_cast<Index>(i) * p.cols + first + static_cast<Index>(j));
      };
      Rows u(static_cast<std::size_t>(p.rows), std::vector<double>(static_cast<std::size_t>(width)));
      for (std::size_t i = 0; i < u.size(); ++i) {
        for (std::size_t j = 0; j < u[0].size(); ++j) {
          const double g = step.gradient_scale * static_cast<double>(gradients.data()[at(i, j)]);
          double& m = m_[at(i, j)];
          m = mu * m + (1 - mu) * g;
          u[i][j] = (1 - mu) * g + mu * m;
        }
      }
      const Rows o = newton_schulz_oracle(u);
      const double widening = std::sqrt(std::max(1.0, static_cast<double>(width) / static_cast<double>(p.rows)));
      for (std::size_t i = 0; i < u.size(); ++i) {
        for (std::size_t j = 0; j < u[0].size(); ++j) {
          w_[at(i, j)] = (1 - lr * decay) * w_[at(i, j)] - lr * widening * o[i][j];
        }
      }
      first += width;
    }
  }

  OptimizerConfig config_;
  const ParameterLayout& trained_;
  const ParameterLayout& layout_;
  std::vector<double> w_, m_, v_;
};

}  // namespace kiln::testing
