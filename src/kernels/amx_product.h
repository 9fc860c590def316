// Multiplies bfloat16 matrices with Intel's AMX tiles.
#pragma once

#include "kernels/strided.h"

namespace kiln {

#if defined(__x86_64__)
inline constexpr bool kHasAmx = true;
#else
inline constexpr bool kHasAmx = false;
#endif

/// Computes tiled_product by AMX. Denormals count as zero; even and odd depth steps are summed separately, then added.
/// Defined if kHasAmx; requires has_bfloat16_tiles().
template <class U>
void amx_product(const Strided<bfloat16>& a, const Strided<bfloat16>& b, Mat<U> c, Write write,
                 ConstVec<bfloat16> bias);

/// Returns the workspace of each thread in bytes, kept from its first product on.
std::size_t amx_product_bytes();

}  // namespace kiln
