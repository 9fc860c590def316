// Products by oneDNN, its primitives cached by shape.
#pragma once

#include "kernels/strided.h"

namespace kiln {

#ifdef KILN_ONEDNN
inline constexpr bool kHasOneDnn = true;
#else
inline constexpr bool kHasOneDnn = false;
#endif

/// c (+)= a b (+ bias in each row).   a (M, K), b (K, N), c (M, N), bias (N) or empty; T is float or bfloat16, U is T
/// or float. How it is shared out, and so its bits, depends on the number of threads. Defined where kHasOneDnn.
template <class T, class U>
void onednn_product(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias);

/// Whether it multiplies bfloat16 by the processor's own instructions, and these are worth it. Defined where
/// kHasOneDnn.
bool onednn_multiplies_bfloat16();

}  // namespace kiln
