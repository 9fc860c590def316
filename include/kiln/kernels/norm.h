// Layer normalisation and RMS normalisation over the columns of each row.
#pragma once

#include "kiln/tensor/view.h"

namespace kiln {

/// y = (x - mean) * rstd * gain + bias, rstd = 1/sqrt(var + epsilon), var biased (arXiv:1607.06450).
/// x, y (N, C); gain (C); bias (C) or empty; mean and rstd (N) are written for the backward.
template <class T>
void layernorm_forward(ConstMat<T> x, ConstVec<T> gain, ConstVec<T> bias, double epsilon, Mat<T> y, Vec<Acc<T>> mean,
                       Vec<Acc<T>> rstd);

/// With xhat = (x - mean) rstd and g = dy gain:   dx = dskip + rstd (g - mean_c(g) - xhat mean_c(g xhat)),
/// dgain += sum_n dy xhat, dbias += sum_n dy.   dskip (N, C) is the gradient that reaches x past the norm, or has no
/// rows; dx is written and may be dskip; dbias (C) or empty.
template <class T>
void layernorm_backward(ConstMat<T> x, ConstVec<T> gain, ConstVec<Acc<T>> mean, ConstVec<Acc<T>> rstd, ConstMat<T> dy,
                        ConstMat<T> dskip, Mat<T> dx, Vec<Acc<T>> dgain, Vec<Acc<T>> dbias);

/// y = x * rstd * gain, rstd = 1/sqrt(mean_c(x^2) + epsilon) (arXiv:1910.07467).   x, y (N, C); gain (C); rstd (N).
template <class T>
void rmsnorm_forward(ConstMat<T> x, ConstVec<T> gain, double epsilon, Mat<T> y, Vec<Acc<T>> rstd);

/// With xhat = x rstd and g = dy gain:   dx = dskip + rstd (g - xhat mean_c(g xhat)), dgain += sum_n dy xhat.
template <class T>
void rmsnorm_backward(ConstMat<T> x, ConstVec<T> gain, ConstVec<Acc<T>> rstd, ConstMat<T> dy, ConstMat<T> dskip,
                      Mat<T> dx, Vec<Acc<T>> dgain);

/// rmsnorm_forward of each head of x with the same gain.   x, y (N, heads*D); gain (D); rstd (heads*N), head by head.
template <class T>
void head_rmsnorm_forward(ConstMat<T> x, ConstVec<T> gain, double epsilon, Mat<T> y, Vec<Acc<T>> rstd);

/// Its backward; dx is written and may be dy; dgain (D) accumulates over rows and heads.
template <class T>
void head_rmsnorm_backward(ConstMat<T> x, ConstVec<T> gain, ConstVec<Acc<T>> rstd, ConstMat<T> dy, Mat<T> dx,
                           Vec<Acc<T>> dgain);

}  // namespace kiln
