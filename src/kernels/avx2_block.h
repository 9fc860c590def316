// Computes blocks of sums in AVX2's registers, for VectorMicrokernel. Compiled for AVX2 in any build; callers ask the
// CPU.
#pragma once

#include "kernels/avx2_packing.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace kiln {

#define KILN_BLOCK_TARGET gnu::target("avx2,fma"),

/// 6 x 16 sums in 12 of the 16 registers; two more hold a row of the right factor, one a number of the left one.
struct Avx2Block : Avx2Packing<1> {
  using Word = float;
  using Vector = __m256;
  static constexpr Index kLanes = 8, kRows = 6, kVectors = 2, kCols = kVectors * kLanes;
  static constexpr Index kTileCols = 192;  // 192 KB of words, twice, in an L2 cache of 512 KB

  [[KILN_BLOCK_TARGET gnu::always_inline]] static Vector load_aligned(const float* from) {
    return _mm256_load_ps(from);
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static void store_aligned(float* to, Vector lanes) {
    _mm256_store_ps(to, lanes);
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static Vector left_factor(const std::byte* word, Index /*row*/) {
    return _mm256_set1_ps(load_word<float>(word));
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static Vector multiply_add(Vector left, Vector right, Vector sum) {
    return _mm256_fmadd_ps(left, right, sum);
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static void write_sums(float* out, Index /*pitch*/, Vector sums,
                                                                  Write write) {
    _mm256_storeu_ps(out, write == Write::accumulate ? _mm256_add_ps(_mm256_loadu_ps(out), sums) : sums);
  }

#include "kernels/block_of_sums.inc"
};

}  // namespace kiln

#endif
