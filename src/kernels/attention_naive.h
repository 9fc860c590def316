// Computes attention by plain loops over whole rows of scores: the tests' oracle for the fused form.
#pragma once

#include "kiln/kernels/attention.h"

namespace kiln {

/// Computes what attention_forward does, for T in float and double.
template <class T>
void attention_forward_naive(const AttentionShape& shape, ConstMat<T> q, ConstMat<T> k, ConstMat<T> v,
                             ConstVec<T> slopes, Dropout dropout, Mat<T> y, Vec<T> lse);

/// Computes what attention_backward does, by the softmax's Jacobian, without y and lse.
template <class T>
void attention_backward_naive(const AttentionShape& shape, ConstMat<T> q, ConstMat<T> k, ConstMat<T> v,
                              ConstVec<T> slopes, Dropout dropout, ConstMat<T> dy, Mat<T> dq, Mat<T> dk, Mat<T> dv);

}  // namespace kiln
