// Computes the linear layer, forward and backward.
#pragma once

#include "kiln/tensor/view.h"

namespace kiln {

/// y = x W + b.   x (N, I), w (I, O), b (O) or empty, y (N, O).   W is stored [in, out].
template <class T>
void linear_forward(ConstMat<T> x, ConstMat<T> w, ConstVec<T> b, Mat<T> y);

/// dx = dy W^T, dw (+)= x^T dy, db += sum_n dy.   Accumulates into db (O) or empty; writes dx (N, I); dw (I, O).
template <class T>
void linear_backward(ConstMat<T> x, ConstMat<T> w, ConstMat<T> dy, Mat<T> dx, Mat<Acc<T>> dw, Write write,
                     Vec<Acc<T>> db);

/// sums += sum_n x[n].   x (N, C), sums (C).   Adds rows in order in each column, for any thread count.
template <class T>
void add_column_sums(ConstMat<T> x, Vec<Acc<T>> sums);

}  // namespace kiln
