// Multiplies matrices with the fastest backend for type and CPU (see matmul.cpp). All GEMMs of kiln go through here.
#pragma once

#include "kiln/tensor/view.h"

#include <cstddef>

namespace kiln {

/// c (+)= a b (+ bias in each row).   a (M, K), b (K, N), c (M, N), bias (N) or empty. T is float, bfloat16 or double;
/// U is T or Acc<T>; accumulates in Acc<T>. Operands may be column slices. Uses all threads, or only the calling one
/// inside a parallel region. After a thread's first product of a shape, only oneDNN and Eigen allocate (Eigen replaces
/// oneDNN for double and where oneDNN is missing). The results of a library, which multiplies where it has AVX-512, may
/// depend on the thread count in their last bits, unless deterministic() (core/threads): then sizes alone determine the
/// tiles (kernels/tiled_product).
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

/// Return workspace in bytes: per calling thread, for a padded copy of b (K, N), if b is not transposed; and per
/// thread, for tiles. Exclude oneDNN's packing buffers.
template <class T>
std::size_t matmul_copy_bytes(Index M, Index K, Index N);
template <class T>
std::size_t matmul_tile_bytes();

}  // namespace kiln
