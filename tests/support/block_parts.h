// Runs a part of a block in double on a small ragged batch, checks its gradients, and computes norms and products
// plainly.
#pragma once

#include "kiln/core/rng.h"
#include "kiln/core/threads.h"
#include "kiln/nn/block.h"

#include <gtest/gtest.h>

#include "support/gradient.h"
#include <cmath>
#include <initializer_list>
#include <limits>
#include <string_view>
#include <utility>

namespace kiln::testing {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr Index kPartLayer = 1;  // the parameters are h.1.*

/// Returns an arena full of NaN: a result that was never written shows.
inline Arena make_nan_arena(std::size_t bytes = std::size_t{1} << 16) {
  Arena arena(bytes);
  const std::size_t begin = arena.mark();
  arena.vector<double>(static_cast<Index>(bytes / sizeof(double))).setConstant(kNaN);
  arena.release(begin);
  return arena;
}

/// Draws every weight, so that no two are the same: gains about 1, the others about 0.
inline ParameterBuffer<double> draw_weights(const ParameterLayout& layout) {
  ParameterBuffer<double> weights(layout);
  Rng rng(3, "test weights");
  for (const Parameter& p : layout.parameters()) {
    for (double& value : weights.vec(p.id)) value = (p.role == Role::norm ? 1.0 : 0.0) + 0.5 * rng.normal();
  }
  return weights;
}

/// Returns sequences of these lengths, then `rest` rows of no sequence.
inline TokenRows ragged_rows(std::initializer_list<Index> lengths, Index rest = 0) {
  TokenRows rows;
  for (const Index length : lengths) rows.append(length, {.number = 11 + rows.sequences.size()});
  rows.round_up(rows.size() + rest);
  return rows;
}

/// A part of a block (Attention, Mlp or Block), its weights, a batch, and its memory, which is NaN at first. It runs on
/// one thread: the products are too small to share.
template <class Part>
struct PartRun {
  explicit PartRun(const ModelConfig& chosen, TokenRows batch = ragged_rows({5, 1, 3}, 2))
      : config(chosen),
        part(config, kPartLayer, layout),
        weights(draw_weights(layout)),
        tables(config),
        rows(std::move(batch)),
        arena(make_nan_arena()),
        activations(part.lay_out(arena, rows.size())),
        x(0, 0),
        out(rows.size(), config.d_model, kNaN) {
    set_threads(1);
    Rng rng(4, "test input");
    x = randn(rng, rows.size(), config.d_model);
  }
  PartRun(const PartRun&) = delete;  // the buffers refer to the layout
  PartRun& operator=(const PartRun&) = delete;

  ForwardContext<double> context() const { return {weights, tables, rows, step, adapters}; }
  /// Returns the weight of this name below h.1, as a matrix or a vector; an empty vector where the part has none.
  ConstMat<double> mat(std::string_view name) const { return weights.mat(id_of(name)); }
  ConstVec<double> vec(std::string_view name) const { return weights.vec(id_of(name)); }

  void forward() {
    if constexpr (requires { part.forward(context(), x.c(), activations, nullptr, out.m()); }) {  // Attention
      part.forward(context(), x.c(), activations, nullptr, out.m());
    } else if constexpr (requires { part.forward(context(), x.c(), activations, out.m(), nullptr); }) {  // Block
      part.forward(context(), x.c(), activations, out.m(), nullptr);
    } else {
      part.forward(context(), x.c(), activations, out.m());
    }
  }

  typename Part::Scratch lay_out_scratch() {
    if constexpr (requires { part.lay_out_scratch(arena, rows.size()); }) {
      return part.lay_out_scratch(arena, rows.size());
    } else {
      return part.lay_out_scratch(arena, arena.template matrix<double>(rows.size(), config.d_model));
    }
  }

  /// Returns the gradient of x; the scratch is NaN at first, and given back.
  Tensor<double> backward(const Tensor<double>& d_out, Gradients<double>& gradients) {
    const std::size_t begin = arena.mark();
    typename Part::Scratch scratch = lay_out_scratch();
    Tensor<double> d_stream = d_out;
    part.backward(context(), x.c(), activations, scratch, d_stream.m(), gradients);
    arena.release(begin);
    return d_stream;
  }

  ModelConfig config;
  ParameterLayout layout;
  Part part;
  ParameterBuffer<double> weights;
  PositionTables<double> tables;
  TokenRows rows;
  AdapterScratch<double> adapters;
  StepContext step{.training = true, .seed = 5};
  Arena arena;
  typename Part::Activations activations;
  Tensor<double> x, out;  // (N, C)

 private:
  ParameterId id_of(std::string_view name) const {
    return layout.find("h." + std::to_string(kPartLayer) + "." + std::string(name));
  }
};

/// Compares every parameter's gradient, which held `check.initial` before, with central differences of `loss`.
inline void expect_parameter_gradients(ParameterBuffer<double>& weights, const Gradients<double>& gradients,
                                       const std::function<double()>& loss, GradientCheck check) {
  for (const Parameter& p : weights.layout().parameters()) {
    Tensor<double> w(p.rows, p.cols), found(p.rows, p.cols);
    const RowMajor<double> original = w.data = weights.mat(p.id);
    found.data = std::as_const(gradients).mat(p.id);
    expect_gradient(
        p.name, w, found, [&] { return weights.mat(p.id) = w.data, loss(); }, check);
    weights.mat(p.id) = original;
  }
}

/// Compares the gradients of x and of every parameter with central differences.
template <class Part>
void expect_gradients(PartRun<Part>& run) {
  constexpr GradientCheck kAccumulated{.initial = 9.0};
  Rng rng(6, "test gradient");
  const Tensor<double> d_out = randn(rng, run.rows.size(), run.config.d_model);
  Gradients<double> gradients(run.layout);
  gradients.all().setConstant(kAccumulated.initial);
  run.forward();
  const Tensor<double> dx = run.backward(d_out, gradients);
  const auto loss = [&] {
    run.forward();
    return dot(run.out.data, d_out.data);
  };
  expect_gradient("x", run.x, dx, loss);
  expect_parameter_gradients(run.weights, gradients, loss, kAccumulated);
}

/// Expects two results of the same formula in double; NaN fails.
inline void expect_near(const RowMajor<double>& found, const RowMajor<double>& wanted) {
  ASSERT_EQ(found.rows(), wanted.rows());
  ASSERT_EQ(found.cols(), wanted.cols());
  EXPECT_LT((found - wanted).norm(), 1e-13 * wanted.norm());
}

/// Returns (x - mean) / sqrt(variance + epsilon) * gain + bias; the mean is 0 for rmsnorm, the bias maybe empty.
inline RowMajor<double> plain_norm(NormKind kind, double epsilon, const RowMajor<double>& x, ConstVec<double> gain,
                                   ConstVec<double> bias) {
  RowMajor<double> y = x;
  const auto C = static_cast<double>(x.cols());
  for (Index n = 0; n < x.rows(); ++n) {
    double mean = 0, variance = 0;
    for (Index c = 0; c < x.cols() && kind == NormKind::layernorm; ++c) mean += x(n, c) / C;
    for (Index c = 0; c < x.cols(); ++c) variance += (x(n, c) - mean) * (x(n, c) - mean) / C;
    for (Index c = 0; c < x.cols(); ++c) {
      y(n, c) = (x(n, c) - mean) / std::sqrt(variance + epsilon) * gain[c] + (bias.size() > 0 ? bias[c] : 0.0);
    }
  }
  return y;
}

/// Returns x W + b, b maybe empty.
inline RowMajor<double> plain_linear(const RowMajor<double>& x, ConstMat<double> w, ConstVec<double> b) {
  RowMajor<double> y(x.rows(), w.cols());
  for (Index n = 0; n < x.rows(); ++n) {
    for (Index o = 0; o < w.cols(); ++o) {
      y(n, o) = b.size() > 0 ? b[o] : 0.0;
      for (Index i = 0; i < x.cols(); ++i) y(n, o) += x(n, i) * w(i, o);
    }
  }
  return y;
}

/// Returns x + dropout(branch).
inline RowMajor<double> plain_residual(const RowMajor<double>& x, const RowMajor<double>& branch,
                                       const Dropout& dropout, std::span<const Sequence> sequences) {
  RowMajor<double> y = x + branch;  // in rows of no sequence nothing is dropped
  for (const Sequence& s : sequences) {
    for (Index e = 0; e < s.length * y.cols(); ++e) {
      const double factor = dropout.factor(s.number, static_cast<std::uint64_t>(e));
      y(s.row + e / y.cols(), e % y.cols()) += (factor - 1) * branch(s.row + e / y.cols(), e % y.cols());
    }
  }
  return y;
}

/// Expects a part's forward to equal the plain formula, with dropout and without, and dropout to matter.
template <class Run, class Plain>
void expect_plain_forward(Run& run, Plain&& plain) {
  run.forward();
  expect_near(run.out.data, plain(run));
  const RowMajor<double> in_training = run.out.data;
  run.step.training = false;
  run.forward();
  expect_near(run.out.data, plain(run));
  EXPECT_NE(run.out.data, in_training);
}

}  // namespace kiln::testing
