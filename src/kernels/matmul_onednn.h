// Multiplies matrices by oneDNN, with primitives cached by shape.
#pragma once

#include "kernels/strided.h"

namespace kiln {

#ifdef KILN_ONEDNN
inline constexpr bool kHasOneDnn = true;
#else
inline constexpr bool kHasOneDnn = false;
#endif

/// c (+)= a b (+ bias in each row).   a (M, K), b (K, N), c (M, N), bias (N) or empty; T is float or bfloat16, U is T
/// or float. The partition, and so the result's bits, depend on the thread count. Defined if kHasOneDnn.
template <class T, class U>
void onednn_product(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias);

/// Returns whether oneDNN uses AVX-512. ONEDNN_MAX_CPU_ISA=AVX2 in the environment forbids it. Defined if kHasOneDnn.
bool onednn_has_avx512();

/// Returns whether oneDNN uses the CPU's bfloat16 instructions and these are fast. Defined if kHasOneDnn.
bool onednn_multiplies_bfloat16();

}  // namespace kiln
