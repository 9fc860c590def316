// Computes layer and RMS normalisation over the columns of each row, forward and backward.
#pragma once

#include "kiln/tensor/view.h"

namespace kiln {

/// y = (x - mean) * rstd * gain + bias, rstd = 1/sqrt(var + epsilon), var biased (arXiv:1607.06450).
/// x, y (N, C); gain (C); bias (C) or empty. Writes mean and rstd (N) for the backward.
template <class T>
void layernorm_forward(ConstMat<T> x, ConstVec<T> gain, ConstVec<T> bias, double epsilon, Mat<T> y, Vec<Acc<T>> mean,
                       Vec<Acc<T>> rstd);

/// With xhat = (x - mean) rstd and g = dy gain:   dx = dskip + rstd (g - mean_c(g) - xhat mean_c(g xhat)),
/// dgain += sum_n dy xhat, dbias += sum_n dy.   dskip (N, C) is the gradient of x from the residual path, or has no
/// rows. Writes dx, which may be dskip or dy. dbias (C) or empty.
template <class T>
void layernorm_backward(ConstMat<T> x, ConstVec<T> gain, ConstVec<Acc<T>> mean, ConstVec<Acc<T>> rstd, ConstMat<T> dy,
                        ConstMat<T> dskip, Mat<T> dx, Vec<Acc<T>> dgain, Vec<Acc<T>> dbias);

/// y = x * rstd * gain, rstd = 1/sqrt(mean_c(x^2) + epsilon) (arXiv:1910.07467).   x, y (N, C); gain (C); rstd (N).
template <class T>
void rmsnorm_forward(ConstMat<T> x, ConstVec<T> gain, double epsilon, Mat<T> y, Vec<Acc<T>> rstd);

/// With xhat = x rstd and g = dy gain:   dx = dskip + rstd (g - xhat mean_c(g xhat)), dgain += sum_n dy xhat.
/// dskip and dx as in layernorm_backward.
template <class T>
void rmsnorm_backward(ConstMat<T> x, ConstVec<T> gain, ConstVec<Acc<T>> rstd, ConstMat<T> dy, ConstMat<T> dskip,
                      Mat<T> dx, Vec<Acc<T>> dgain);

/// Applies rmsnorm_forward to each head of x, with one gain.   x, y (N, heads*D); gain (D); rstd (heads*N), by head.
template <class T>
void head_rmsnorm_forward(ConstMat<T> x, ConstVec<T> gain, double epsilon, Mat<T> y, Vec<Acc<T>> rstd);

/// Applies rmsnorm_backward to each head. Writes dx, which may be dy; accumulates dgain (D) over rows and heads.
template <class T>
void head_rmsnorm_backward(ConstMat<T> x, ConstVec<T> gain, ConstVec<Acc<T>> rstd, ConstMat<T> dy, Mat<T> dx,
                           Vec<Acc<T>> dgain);

}  // namespace kiln
