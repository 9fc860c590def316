// Products of a few rows with a large matrix, as in generation: what counts is that the matrix is read once, in order.
#pragma once

#include "kiln/tensor/view.h"

namespace kiln {

/// Up to here a product is bound by the memory that its right factor is read from.
inline constexpr Index kFewRows = 8;

/// c = a b (+ bias in each row).   a (M, K), b (K, N), c (M, N), M <= kFewRows; T is float or bfloat16, U is T or
/// float. The bits of the result do not depend on the thread count.
template <class T, class U>
void few_rows_matmul(ConstMat<T> a, ConstMat<T> b, Mat<U> c, ConstVec<T> bias);

/// c = a b^T (+ bias in each row).   a (M, K), b (N, K), c (M, N).
template <class T, class U>
void few_rows_matmul_nt(ConstMat<T> a, ConstMat<T> b, Mat<U> c, ConstVec<T> bias);

}  // namespace kiln
