// Products of bfloat16 in float: for processors that are faster at it, and where nobody else makes them.
#pragma once

#include "kernels/strided.h"

namespace kiln {

/// c (+)= a b (+ bias in each row).   a (M, K), b (K, N), c (M, N), bias (N) or empty; U is bfloat16 or float.
/// Factors are widened to float as they are copied into tiles that fit the cache: products are exact, sums in float,
/// and rounded to U once. Uses all threads; each sum is taken in one order, so no bit depends on how many they are.
template <class U>
void widened_product(const Strided<bfloat16>& a, const Strided<bfloat16>& b, Mat<U> c, Write write,
                     ConstVec<bfloat16> bias);

/// Bytes that each thread keeps for it, from the first product on.
std::size_t widened_product_bytes();

}  // namespace kiln
