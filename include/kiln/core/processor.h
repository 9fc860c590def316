// Detects the CPU's features. The variable KILN_INSTRUCTIONS=plain|avx2|avx512 hides all that are wider, to compare or
// to reproduce another machine; each of them hides Arm's products of bfloat16.
#pragma once

#include <string>

namespace kiln {

/// Returns whether the CPU has AVX2 and fused multiply-adds (FMA).
bool has_avx2();

/// Returns whether the CPU has AVX-512 as every server CPU with it does: F, BW, DQ and VL.
bool has_avx512();

/// Returns whether the CPU multiplies bfloat16 in hardware (AVX512-BF16, which CPUs with AMX have too; on Arm, BF16).
bool has_bfloat16_products();

/// Returns whether the CPU multiplies tiles of bfloat16 (AMX) and Linux grants their use, which this call requests
/// through arch_prctl (https://docs.kernel.org/arch/x86/xstate.html).
bool has_bfloat16_tiles();

/// Returns whether bfloat16 products in hardware are faster than float's: with AMX several times as fast; with
/// AVX512-BF16 twice as fast on AMD's CPUs and half as fast on Intel's; on Arm, an instruction does four times the work
/// of float's. Decided from the CPU's vendor and features, not by timing, so that runs are reproducible.
bool has_fast_bfloat16();

/// Returns the CPU's name, "AMD EPYC 9B14"; "unknown processor" if the system does not say.
std::string processor_name();

}  // namespace kiln
