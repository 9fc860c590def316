// Products of bfloat16 by the processor's tiles (Intel's AMX).
#pragma once

#include "kernels/strided.h"

namespace kiln {

#if defined(__x86_64__)
inline constexpr bool kHasAmx = true;
#else
inline constexpr bool kHasAmx = false;
#endif

/// tiled_product by AMX: denormal numbers count as zero, and sums of even and of odd steps are taken apart before they
/// are added. Defined where kHasAmx; to be called where has_bfloat16_tiles().
template <class U>
void amx_product(const Strided<bfloat16>& a, const Strided<bfloat16>& b, Mat<U> c, Write write,
                 ConstVec<bfloat16> bias);

/// Bytes that each thread keeps for it, from the first product on.
std::size_t amx_product_bytes();

}  // namespace kiln
