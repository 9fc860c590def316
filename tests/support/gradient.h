// Random matrices and the central-difference check that every backward is held to.
#pragma once

#include "kiln/core/rng.h"
#include "kiln/tensor/view.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace kiln::testing {

/// An owning matrix for tests; m() and c() are the views that kernels take.
template <class T = double>
struct Tensor {
  RowMajor<T> data;

  Tensor(Index rows, Index cols, T value = T(0)) : data(RowMajor<T>::Constant(rows, cols, value)) {}
  Mat<T> m() { return mat(data.data(), data.rows(), data.cols()); }
  ConstMat<T> c() const { return mat(static_cast<const T*>(data.data()), data.rows(), data.cols()); }
  Vec<T> v() { return {data.data(), data.size()}; }
  ConstVec<T> cv() const { return {data.data(), data.size()}; }
  T& operator()(Index i, Index j) { return data(i, j); }
};

/// Standard normal entries times `scale`.
template <class T = double>
Tensor<T> randn(Rng& rng, Index rows, Index cols, double scale = 1.0) {
  Tensor<T> t(rows, cols);
  for (Index i = 0; i < rows * cols; ++i) t.data.data()[i] = static_cast<T>(scale * rng.normal());
  return t;
}

struct GradientCheck {
  double initial = 0.0;     // what the gradient buffer held before: nonzero proves that a kernel accumulates
  double step = 1e-5;       // of the central difference
  double tolerance = 1e-7;  // relative to max(1, |gradient|)
};

/// Compares `analytic` with central differences of `loss` in every entry of `x`.
inline void expect_gradient(const std::string& name, Tensor<double>& x, const Tensor<double>& analytic,
                            const std::function<double()>& loss, GradientCheck options = {}) {
  ASSERT_EQ(x.data.size(), analytic.data.size()) << name;
  for (Index i = 0; i < x.data.size(); ++i) {
    double& entry = x.data.data()[i];
    const double original = entry;
    entry = original + options.step;
    const double above = loss();
    entry = original - options.step;
    const double below = loss();
    entry = original;
    const double numeric = (above - below) / (2 * options.step);
    const double found = analytic.data.data()[i] - options.initial;
    ASSERT_NEAR(found, numeric, options.tolerance * std::max(1.0, std::abs(numeric))) << name << " entry " << i;
  }
}

/// sum of a .* b: a scalar loss whose gradient with respect to a is b.
template <class A, class B>
double dot(const A& a, const B& b) {
  return a.cwiseProduct(b).sum();
}

}  // namespace kiln::testing
