// Computes blocks of sums in AVX-512's registers, for VectorMicrokernel. Compiled for AVX-512 in any build; callers ask
// the CPU.
#pragma once

#include "kernels/avx2_packing.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace kiln {

#define KILN_BLOCK_TARGET gnu::target("avx512f,avx512bf16"),

/// 14 x 32 sums in 28 of the 32 registers; two more hold a row of the right factor, one a word of the left one. Words
/// are numbers, or pairs of bfloat16 (AVX512-BF16).
template <Index PerWord>
struct Avx512Block : Avx2Packing<PerWord> {
  using Word = float;
  using Vector = __m512;
  static constexpr Index kPerWord = PerWord, kLanes = 16, kRows = 14, kVectors = 2, kCols = kVectors * kLanes;
  static constexpr Index kTileCols = 384;  // 384 KB of words, twice: CPUs with AVX-512 have L2 caches of 1 MB or more

  [[KILN_BLOCK_TARGET gnu::always_inline]] static Vector load_aligned(const float* from) {
    return _mm512_load_ps(from);
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static void store_aligned(float* to, Vector lanes) {
    _mm512_store_ps(to, lanes);
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static Vector left_factor(const std::byte* word, Index /*row*/) {
    return _mm512_set1_ps(load_word<float>(word));
  }
  /// Returns a word of each of sixteen neighbouring lines, whose numbers lie `stride` apart.
  [[KILN_BLOCK_TARGET gnu::always_inline]] static Vector across(const float* from, Index /*stride*/) {
    return _mm512_loadu_ps(from);
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static Vector across(const bfloat16* from, Index stride) {
    const __m512i first = sixteen(from);
    if constexpr (PerWord == 1) return _mm512_castsi512_ps(_mm512_slli_epi32(first, 16));
    return _mm512_castsi512_ps(_mm512_or_si512(first, _mm512_slli_epi32(sixteen(from + stride), 16)));
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static __m512i sixteen(const bfloat16* from) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }

  [[KILN_BLOCK_TARGET gnu::always_inline]] static Vector multiply_add(Vector left, Vector right, Vector sum) {
    if constexpr (PerWord == 2) return _mm512_dpbf16_ps(sum, (__m512bh)left, (__m512bh)right);
    return _mm512_fmadd_ps(left, right, sum);
  }
  [[KILN_BLOCK_TARGET gnu::always_inline]] static void write_sums(float* out, Index /*pitch*/, Vector sums,
                                                                  Write write) {
    _mm512_storeu_ps(out, write == Write::accumulate ? _mm512_add_ps(_mm512_loadu_ps(out), sums) : sums);
  }

  /// Rounds sums to T; where words are pairs, numbers below 2^-126 become 0, as in their products.
  template <class T>
  [[gnu::target("avx512f,avx512bf16,avx512vl"), gnu::noinline]] static void round(const float* sums, T* out,
                                                                                  Index count) {
    Index i = 0;
    if constexpr (PerWord == 2) {
      for (; i + kLanes <= count; i += kLanes) {
        const __m256i rounded = (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(sums + i));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), rounded);
      }
    }
    for (; i < count; ++i) out[i] = narrow<T>(sums[i]);
  }

#include "kernels/block_of_sums.inc"
};

}  // namespace kiln

#endif
