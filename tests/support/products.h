// The oracle of matrix products, by plain loops over pointers: fast in builds without optimisation too.
#pragma once

#include "kiln/tensor/convert.h"
#include "kiln/tensor/view.h"

#include "support/gradient.h"
#include <algorithm>
#include <cmath>
#include <vector>

namespace kiln::testing {

/// (rows, cols), row by row.
template <class T>
std::vector<double> wide(const T* data, Index rows, Index cols, Index row_stride, Index col_stride) {
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(rows * cols));
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) out.push_back(widen(data[i * row_stride + j * col_stride]));
  }
  return out;
}

/// a (M, K) times b (K, N), row by row.
inline std::vector<double> plain_product(const std::vector<double>& a, const std::vector<double>& b, Index M, Index K,
                                         Index N) {
  std::vector<double> c(static_cast<std::size_t>(M * N));
  for (Index i = 0; i < M; ++i) {
    double* const sums = c.data() + i * N;
    for (Index k = 0; k < K; ++k) {
      const double left = a[static_cast<std::size_t>(i * K + k)];
      const double* const right = b.data() + k * N;
      for (Index j = 0; j < N; ++j) sums[j] += left * right[j];
    }
  }
  return c;
}

/// The largest distance of an element of `found` from a plain product, with `start`, which it was added to, and a bias
/// where there are such.
template <class U, class T = U>
double largest_error(const Tensor<U>& found, const std::vector<double>& product, const Tensor<U>* start = nullptr,
                     const Tensor<T>* bias = nullptr) {
  const Index cols = found.data.cols();
  double worst = 0;
  for (Index i = 0; i < found.data.size(); ++i) {
    double expected = product[static_cast<std::size_t>(i)];
    if (start != nullptr) expected += widen(start->data.data()[i]);
    if (bias != nullptr) expected += widen(bias->data.data()[i % cols]);
    const double error = std::abs(widen(found.data.data()[i]) - expected);
    if (!(error <= worst)) worst = error;  // a NaN is the worst
    if (std::isnan(error)) break;
  }
  return worst;
}

}  // namespace kiln::testing
