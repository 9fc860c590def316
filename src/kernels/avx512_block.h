// Computes blocks of sums in AVX-512's registers, for VectorMicrokernel. Compiled for AVX-512 in any build; callers ask
// the CPU.
#pragma once

#include "kernels/avx2_packing.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace kiln {

/// 14 x 32 sums in 28 of the 32 registers; two more hold a row of the right factor, one a word of the left one. Words
/// are numbers, or pairs of bfloat16 (AVX512-BF16).
template <Index PerWord>
struct Avx512Block : Avx2Packing<PerWord> {
  using Word = float;
  static constexpr Index kPerWord = PerWord, kLanes = 16, kRows = 14, kVectors = 2, kCols = kVectors * kLanes;
  static constexpr Index kTileCols = 384;  // 384 KB of words, twice: CPUs with AVX-512 have L2 caches of 1 MB or more

  /// The columns of a packed panel, aligned to vectors.
  struct Packed {
    const float* panel;

    /// Loads the next word of each column.
    template <Index V>
    [[gnu::target("avx512f,avx512bf16"), gnu::always_inline]] void next(__m512 (&columns)[V]) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) columns[v] = _mm512_load_ps(panel + v * kLanes);
      panel += kCols;
    }
  };

  /// Columns where they lie, number k of column j at from[k * stride + j], to pack in a panel while they are read.
  template <class T>
  struct ToPack {
    const T* from;
    Index stride;
    float* panel;

    template <Index V>
    [[gnu::target("avx512f,avx512bf16"), gnu::always_inline]] void next(__m512 (&columns)[V]) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) {
        prefetch(from + kCols + v * kLanes);  // for the next panel
        columns[v] = across(from + v * kLanes, stride);
        _mm512_store_ps(panel + v * kLanes, columns[v]);
      }
      from += kPerWord * stride;
      panel += kCols;
    }
  };

  /// Computes sums (R, V vectors), rows `pitch` apart, (+)= left right, over `words` words, and prefetches the lines
  /// ahead. Columns: Packed or ToPack.
  template <Index R, Index V, class Columns>
  [[gnu::target("avx512f,avx512bf16"), gnu::noinline]] static void multiply(WordsOfRows left, LinesAhead ahead,
                                                                            Columns right, Index words, float* sums,
                                                                            Index pitch, Write write) {
    constexpr Index kGroups = (R + 2) / 3;  // of three rows, which x86 reaches from one pointer
    const std::byte* group[kGroups];
#pragma GCC unroll 16
    for (Index g = 0; g < kGroups; ++g) group[g] = left.data + 3 * g * left.row;
    __m512 sum[R][V];
#pragma GCC unroll 16
    for (Index r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) {
        __builtin_prefetch(sums + r * pitch + v * kLanes);
        sum[r][v] = _mm512_setzero_ps();
      }
    }
    for (Index w = 0; w < words; ++w) {
      if (w % LinesAhead::kWords == 0) ahead.prefetch_some();
      __m512 columns[V];
      right.next(columns);
#pragma GCC unroll 16
      for (Index r = 0; r < R; ++r) {
        const __m512 row = _mm512_set1_ps(load_word<float>(group[r / 3] + r % 3 * left.row));
#pragma GCC unroll 16
        for (Index v = 0; v < V; ++v) sum[r][v] = multiply_add(row, columns[v], sum[r][v]);
      }
#pragma GCC unroll 16
      for (Index g = 0; g < kGroups; ++g) group[g] += left.step;
    }
#pragma GCC unroll 16
    for (Index r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) {
        float* const out = sums + r * pitch + v * kLanes;
        _mm512_storeu_ps(out, write == Write::accumulate ? _mm512_add_ps(_mm512_loadu_ps(out), sum[r][v]) : sum[r][v]);
      }
    }
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

 private:
  /// Returns a word of each of sixteen neighbouring lines, whose numbers lie `stride` apart.
  [[gnu::target("avx512f,avx512bf16"), gnu::always_inline]] static __m512 across(const float* from, Index /*stride*/) {
    return _mm512_loadu_ps(from);
  }
  [[gnu::target("avx512f,avx512bf16"), gnu::always_inline]] static __m512 across(const bfloat16* from, Index stride) {
    const __m512i first = sixteen(from);
    if constexpr (PerWord == 1) return _mm512_castsi512_ps(_mm512_slli_epi32(first, 16));
    return _mm512_castsi512_ps(_mm512_or_si512(first, _mm512_slli_epi32(sixteen(from + stride), 16)));
  }
  [[gnu::target("avx512f,avx512bf16"), gnu::always_inline]] static __m512i sixteen(const bfloat16* from) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }

  [[gnu::target("avx512f,avx512bf16"), gnu::always_inline]] static __m512 multiply_add(__m512 left, __m512 right,
                                                                                       __m512 sum) {
    if constexpr (PerWord == 2) return _mm512_dpbf16_ps(sum, (__m512bh)left, (__m512bh)right);
    return _mm512_fmadd_ps(left, right, sum);
  }
};

}  // namespace kiln

#endif
