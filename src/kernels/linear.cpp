// Computes a linear layer with three products: one forward, two backward.
#include "kiln/kernels/linear.h"

#include "kiln/core/threads.h"
#include "kiln/kernels/matmul.h"
#include "kiln/tensor/convert.h"

namespace kiln {

template <class T>
void linear_forward(ConstMat<T> x, ConstMat<T> w, ConstVec<T> b, Mat<T> y) {
  matmul(x, w, y, Write::overwrite, b);
}

// y = x W + b
template <class T>
void linear_backward(ConstMat<T> x, ConstMat<T> w, ConstMat<T> dy, Mat<T> dx, Mat<Acc<T>> dw, Write write,
                     Vec<Acc<T>> db) {
  matmul_nt(dy, w, dx);
  if (dw.rows() > 0) matmul_tn(x, dy, dw, write);
  if (db.size() > 0) add_column_sums(dy, db);
}

template <class T>
void add_column_sums(ConstMat<T> x, Vec<Acc<T>> sums) {
  constexpr Index kGrain = 32;
  parallel_for(x.cols(), kGrain, [&](Index begin, Index end) {
    Acc<T>* share = sums.data();
    for (Index n = 0; n < x.rows(); ++n) {
      const T* in = row(x, n);
#pragma omp simd
      for (Index c = begin; c < end; ++c) share[c] += widen(in[c]);
    }
  });
}

#define KILN_INSTANTIATE(T)                                                                                         \
  template void linear_forward<T>(ConstMat<T>, ConstMat<T>, ConstVec<T>, Mat<T>);                                   \
  template void linear_backward<T>(ConstMat<T>, ConstMat<T>, ConstMat<T>, Mat<T>, Mat<Acc<T>>, Write, Vec<Acc<T>>); \
  template void add_column_sums<T>(ConstMat<T>, Vec<Acc<T>>);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
