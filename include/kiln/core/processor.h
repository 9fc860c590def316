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

/// Its name, "AMD EPYC 9B14"; "unknown processor" where the system does not say.
std::string processor_name();

}  // namespace kiln
