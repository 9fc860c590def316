// Skinny GEMM: multiplies a few rows with a large matrix, as in generation, reading the matrix once and in order.
#pragma once

#include "kiln/tensor/view.h"

namespace kiln {

/// Up to this many rows, reading the right factor from memory bounds the product.
inline constexpr Index kSkinnyRows = 8;

/// c = a b (+ bias in each row).   a (M, K), b (K, N), c (M, N), M <= kSkinnyRows; T is float or bfloat16, U is T or
/// float. The result's bits do not depend on the thread count.
template <class T, class U>
void skinny_gemm(ConstMat<T> a, ConstMat<T> b, Mat<U> c, ConstVec<T> bias);

/// c = a b^T (+ bias in each row).   a (M, K), b (N, K), c (M, N).
template <class T, class U>
void skinny_gemm_nt(ConstMat<T> a, ConstMat<T> b, Mat<U> c, ConstVec<T> bias);

}  // namespace kiln
