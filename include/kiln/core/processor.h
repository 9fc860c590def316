// What this machine's processor can do.
#pragma once

#include <string>

namespace kiln {

/// Whether it multiplies bfloat16 in hardware (AVX512-BF16; processors with AMX have it too).
bool has_bfloat16_products();

/// Whether it multiplies tiles of bfloat16 (AMX) and the system lets this process do so: Linux asks to be asked, once
/// (https://docs.kernel.org/arch/x86/xstate.html).
bool has_bfloat16_tiles();

/// Whether its own products of bfloat16 are faster than those of float: by AMX several times as fast, by AVX512-BF16
/// twice as fast on AMD's processors and half as fast on Intel's. A fact rather than a measurement, so that a run is
/// the same twice.
bool has_fast_bfloat16();

/// Whether this build's float vectors are as wide as any processor's (AVX-512), so that products of bfloat16 in float
/// lose nothing where its own are slow. A build for older processors leaves these to oneDNN, which asks the processor.
#if defined(__AVX512F__)
inline constexpr bool kHasWideFloat = true;
#else
inline constexpr bool kHasWideFloat = false;
#endif

/// Whether products of bfloat16 are best made by the processor's own instructions for them.
inline bool prefers_own_bfloat16() { return has_fast_bfloat16() || (has_bfloat16_products() && !kHasWideFloat); }

/// Its name, "AMD EPYC 9B14"; "unknown processor" where the system does not say.
std::string processor_name();

}  // namespace kiln
