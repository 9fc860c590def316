// Rotates pairs of columns half a head apart by an angle proportional to the position.
#include "kiln/kernels/rope.h"

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include <cassert>
#include <cmath>

namespace kiln {
namespace {

constexpr Index kRowGrain = 8;

/// Maps (a, b) to (a cos - b sin, b cos + a sin), with sin times `direction`: 1 rotates forward, -1 back.
template <class T>
void rotate(Mat<T> x, Index head_size, std::span<const std::int32_t> positions, ConstMat<Acc<T>> table,
            Acc<T> direction) {
  using A = Acc<T>;
  assert(head_size % 2 == 0 && x.cols() % head_size == 0 && std::ssize(positions) == x.rows());
  const Index half = head_size / 2;
  parallel_for(x.rows(), kRowGrain, [&](Index begin, Index end) {
    for (Index n = begin; n < end; ++n) {
      const A* cosine = row(table, positions[static_cast<std::size_t>(n)]);
      const A* sine = cosine + half;
      for (T *first = row(x, n), *last = first + x.cols(); first < last; first += head_size) {
        T* second = first + half;
#pragma omp simd
        for (Index i = 0; i < half; ++i) {
          const A a = widen(first[i]), b = widen(second[i]), c = cosine[i], s = direction * sine[i];
          first[i] = narrow<T>(a * c - b * s);
          second[i] = narrow<T>(b * c + a * s);
        }
      }
    }
  });
}

}  // namespace

template <class T>
std::vector<Acc<T>> rope_table(Index positions, Index head_size, double theta) {
  const Index half = head_size / 2;
  std::vector<Acc<T>> table(static_cast<std::size_t>(positions * head_size));
  for (Index i = 0; i < half; ++i) {
    // In double: at position 10^5 the error of a float angle would be up to 0.01.
    const double frequency = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_size));
    for (Index p = 0; p < positions; ++p) {
      const double angle = static_cast<double>(p) * frequency;
      Acc<T>* entry = table.data() + p * head_size + i;
      entry[0] = static_cast<Acc<T>>(std::cos(angle));
      entry[half] = static_cast<Acc<T>>(std::sin(angle));
    }
  }
  return table;
}

template <class T>
void rope_forward(Mat<T> x, Index head_size, std::span<const std::int32_t> positions, ConstMat<Acc<T>> table) {
  rotate<T>(x, head_size, positions, table, 1);
}

// y = R x with R a rotation: dx = R^T dy, the rotation back.
template <class T>
void rope_backward(Mat<T> dx, Index head_size, std::span<const std::int32_t> positions, ConstMat<Acc<T>> table) {
  rotate<T>(dx, head_size, positions, table, -1);
}

#define KILN_INSTANTIATE(T)                                                                      \
  template std::vector<Acc<T>> rope_table<T>(Index, Index, double);                              \
  template void rope_forward<T>(Mat<T>, Index, std::span<const std::int32_t>, ConstMat<Acc<T>>); \
  template void rope_backward<T>(Mat<T>, Index, std::span<const std::int32_t>, ConstMat<Acc<T>>);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
