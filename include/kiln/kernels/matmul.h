// The one door to matrix products: oneDNN where it is present, Eigen elsewhere and for double; bfloat16 by a kernel of
// kiln's own where the processor has tiles for it (AMX), and in float where the processor is faster at that or there is
// no oneDNN.
#pragma once

#include "kiln/tensor/view.h"

#include <cstddef>

namespace kiln {

/// c (+)= a b (+ bias in each row).   a (M, K), b (K, N), c (M, N), bias (N) or empty.
/// T is float, bfloat16 or double; U is T or Acc<T>; sums are kept in Acc<T>. Operands may be column slices.
/// Uses all threads, inside a parallel region the calling one alone; once a thread has seen a shape, nothing is
/// allocated but by oneDNN itself, and by Eigen, which multiplies double and all else where there is no oneDNN. The
/// bits of products may depend on the number of threads unless deterministic() (core/threads), in which case the
/// product is cut by its sizes alone (kernels/tiled_product).
template <class T, class U>
void matmul(ConstMat<T> a, ConstMat<T> b, Mat<U> c, Write write = Write::overwrite,
            ConstVec<T> bias = no_const_vec<T>());

/// c (+)= a b^T (+ bias).   a (M, K), b (N, K), c (M, N).
template <class T, class U>
void matmul_nt(ConstMat<T> a, ConstMat<T> b, Mat<U> c, Write write = Write::overwrite,
               ConstVec<T> bias = no_const_vec<T>());

/// c (+)= a^T b (+ bias).   a (K, M), b (K, N), c (M, N).
template <class T, class U>
void matmul_tn(ConstMat<T> a, ConstMat<T> b, Mat<U> c, Write write = Write::overwrite,
               ConstVec<T> bias = no_const_vec<T>());

/// Bytes that the calling thread keeps for the copy of a factor, from the first product on of a (M, K) and b (K, N)
/// that lie as they are multiplied; and those that every thread keeps for tiles. What oneDNN needs to lay factors out
/// anew is not among them.
template <class T>
std::size_t matmul_copy_bytes(Index M, Index K, Index N);
template <class T>
std::size_t matmul_tile_bytes();

}  // namespace kiln
