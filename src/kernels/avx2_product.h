// Multiplies float and bfloat16 matrices with AVX2.
#pragma once

#include "kernels/strided.h"

namespace kiln {

#if defined(__x86_64__)
inline constexpr bool kHasAvx2Product = true;
#else
inline constexpr bool kHasAvx2Product = false;
#endif

/// Computes tiled_product by AVX2, of bfloat16 in float. The result's bits do not depend on the thread count. T is
/// float or bfloat16, U is T or float. Defined if kHasAvx2Product; requires has_avx2().
template <class T, class U>
void avx2_product(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias);

/// Returns the workspace of each thread in bytes, kept from its first product on.
template <class T>
std::size_t avx2_product_bytes();

}  // namespace kiln
