// Runs the iteration with the smaller Gram matrix, so that nothing is transposed.
#include "optim/newton_schulz.h"

#include "kiln/core/threads.h"
#include "kiln/kernels/matmul.h"
#include "kiln/optim/clip.h"
#include "kiln/tensor/convert.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace kiln {
namespace {

constexpr int kIterations = 5;
constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;  // Jordan's quintic: a s + b s^3 + c s^5
constexpr double kEpsilon = 1e-7;
constexpr Index kGrain = 4096;  // elements

/// x *= factor, over `count` elements.
template <class T>
void scale(T* x, Index count, float factor) {
#pragma omp simd
  for (Index i = 0; i < count; ++i) x[i] = narrow<T>(factor * widen(x[i]));
}

/// polynomial = a I + b gram + c polynomial, where polynomial holds gram^2.
template <class T>
void complete_polynomial(ConstMat<T> gram, Mat<T> polynomial) {
  const Index K = gram.rows();
  parallel_for(K, std::max<Index>(1, kGrain / K), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const T* g = row(gram, i);
      T* p = row(polynomial, i);
      const float diagonal = kA + kB * widen(g[i]) + kC * widen(p[i]);
#pragma omp simd
      for (Index j = 0; j < K; ++j) p[j] = narrow<T>(kB * widen(g[j]) + kC * widen(p[j]));
      p[i] = narrow<T>(diagonal);
    }
  });
}

}  // namespace

template <class T>
NewtonSchulzWorkspace<T>::NewtonSchulzWorkspace(Arena& arena, Index rows, Index cols)
    : x(arena.matrix<T>(rows, cols)),
      next(arena.matrix<T>(rows, cols)),
      gram(arena.matrix<T>(std::min(rows, cols), std::min(rows, cols))),
      polynomial(arena.matrix<T>(std::min(rows, cols), std::min(rows, cols))) {}

template <class T>
Mat<T> newton_schulz(NewtonSchulzWorkspace<T> workspace) {
  const Index rows = workspace.x.rows(), cols = workspace.x.cols();
  T *from = workspace.x.data(), *to = workspace.next.data();
  const auto shrink = static_cast<float>(1.0 / (std::sqrt(sum_of_squares(from, rows * cols)) + kEpsilon));
  parallel_for(rows * cols, kGrain, [&](Index begin, Index end) { scale(from + begin, end - begin, shrink); });
  for (int i = 0; i < kIterations; ++i, std::swap(from, to)) {
    const ConstMat<T> x = as_const(mat(from, rows, cols));
    if (rows <= cols) {
      matmul_nt(x, x, workspace.gram);  // X X^T
    } else {
      matmul_tn(x, x, workspace.gram);  // X^T X
    }
    matmul(as_const(workspace.gram), as_const(workspace.gram), workspace.polynomial);
    complete_polynomial(as_const(workspace.gram), workspace.polynomial);
    if (rows <= cols) {
      matmul(as_const(workspace.polynomial), x, mat(to, rows, cols));
    } else {
      matmul(x, as_const(workspace.polynomial), mat(to, rows, cols));
    }
  }
  return mat(from, rows, cols);
}

template struct NewtonSchulzWorkspace<float>;
template struct NewtonSchulzWorkspace<bfloat16>;
template Mat<float> newton_schulz<float>(NewtonSchulzWorkspace<float>);
template Mat<bfloat16> newton_schulz<bfloat16>(NewtonSchulzWorkspace<bfloat16>);

}  // namespace kiln
