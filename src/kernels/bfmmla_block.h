// Computes blocks of sums with Arm's products of bfloat16 (BFMMLA), for VectorMicrokernel. Compiled for them in any
// build; callers ask the CPU.
#pragma once

#include "kernels/packing.h"

#if defined(__aarch64__) && !defined(__clang__)  // older Clangs have these instructions only in builds for them
#define KILN_BFMMLA
#include <arm_neon.h>

namespace kiln {

#define KILN_BLOCK_TARGET gnu::target("arch=armv8.2-a+bf16"),

/// 8 x 12 sums in 24 of the 32 registers. An instruction adds the product of 2 x 4 numbers and 4 x 2: each register has
/// the words of two rows, or of two columns, or their 2 x 2 sums. It rounds to odd and takes denormal numbers for zero
/// (Arm's manual, without FEAT_EBF16).
struct BfmmlaBlock : PlainPacking<std::uint64_t, 4> {
  using Word = std::uint64_t;
  using Vector = float32x4_t;
  static constexpr Index kLanes = 2, kRows = 8, kVectors = 6, kCols = kVectors * kLanes;
  static constexpr Index kTileCols = 96;  // 192 KB of words, twice, in an L2 cache of 512 KB

  [[KILN_BLOCK_TARGET gnu::always_inline]] static Vector load_aligned(const Word* from) {
    return vreinterpretq_f32_u64(vld1q_u64(from));
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static void store_aligned(Word* to, Vector words) {
    vst1q_u64(to, vreinterpretq_u64_f32(words));
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static Vector left_factor(const std::byte* word, Index row) {
    return vcombine_f32(load_word<float32x2_t>(word), load_word<float32x2_t>(word + row));
  }
  /// Returns a word of each of two neighbouring columns, whose numbers lie `stride` apart.
  [[KILN_BLOCK_TARGET gnu::always_inline]] static Vector across(const bfloat16* from, Index stride) {
    uint32x4_t pairs;
#pragma GCC unroll 4
    for (Index k = 0; k < 4; ++k) {
      pairs[k] = load_word<std::uint32_t>(reinterpret_cast<const std::byte*>(from + k * stride));
    }
    const uint16x8_t numbers = vreinterpretq_u16_u32(pairs);
    return vreinterpretq_f32_u64(vzip1q_u64(vreinterpretq_u64_u16(vuzp1q_u16(numbers, numbers)),
                                            vreinterpretq_u64_u16(vuzp2q_u16(numbers, numbers))));
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static Vector multiply_add(Vector left, Vector right, Vector sum) {
    return vbfmmlaq_f32(sum, vreinterpretq_bf16_f32(left), vreinterpretq_bf16_f32(right));
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static void write_sums(float* out, Index pitch, Vector sums, Write write) {
    for (const float32x2_t of_row : {vget_low_f32(sums), vget_high_f32(sums)}) {
      vst1_f32(out, write == Write::accumulate ? vadd_f32(vld1_f32(out), of_row) : of_row);
      out += pitch;
    }
  }

#include "kernels/block_of_sums.inc"
};

}  // namespace kiln

#endif
