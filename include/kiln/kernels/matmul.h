// Multiplies matrices with the fastest unit of the CPU (see matmul.cpp). All GEMMs of kiln go through here.
#pragma once

#include "kiln/tensor/view.h"

#include <cstddef>

namespace kiln {

/// c (+)= a b (+ bias in each row).   a (M, K), b (K, N), c (M, N), bias (N) or empty. T is float, bfloat16 or double;
/// U is T or Acc<T>; accumulates in Acc<T>. Operands may be column slices. Uses all threads, or only the calling one
/// inside a parallel region; no bit depends on their number. Allocates on a thread's first product alone.
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

/// Returns the workspace of each thread in bytes, kept from its first product on.
template <class T>
std::size_t matmul_workspace_bytes();

}  // namespace kiln
