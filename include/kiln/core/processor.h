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

/// Whether products of bfloat16 are best made by the processor's own instructions: where these are the faster, and
/// where this build's vectors of float are narrower than theirs (built without AVX-512).
bool prefers_own_bfloat16();

/// Whether bfloat16 costs a product no speed to speak of, by its own instructions or in float.
bool affords_bfloat16();

/// Its name, "AMD EPYC 9B14"; "unknown processor" where the system does not say.
std::string processor_name();

}  // namespace kiln
