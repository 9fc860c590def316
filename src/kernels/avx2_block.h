// Computes blocks of sums in AVX2's registers, for VectorMicrokernel. Compiled for AVX2 in any build; callers ask the
// CPU.
#pragma once

#include "kernels/avx2_packing.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace kiln {

/// 6 x 16 sums in 12 of the 16 registers; two more hold a row of the right factor, one a number of the left one.
struct Avx2Block : Avx2Packing<1> {
  using Word = float;
  static constexpr Index kLanes = 8, kRows = 6, kVectors = 2, kCols = kVectors * kLanes;
  static constexpr Index kTileCols = 192;  // 192 KB of words, twice, in an L2 cache of 512 KB

  /// The columns of a packed panel, aligned to vectors.
  struct Packed {
    const float* panel;

    /// Loads the next word of each column.
    template <Index V>
    [[gnu::target("avx2,fma"), gnu::always_inline]] void next(__m256 (&columns)[V]) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) columns[v] = _mm256_load_ps(panel + v * kLanes);
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
    [[gnu::target("avx2,fma"), gnu::always_inline]] void next(__m256 (&columns)[V]) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) {
        prefetch(from + kCols + v * kLanes);  // for the next panel
        columns[v] = across(from + v * kLanes, stride);
        _mm256_store_ps(panel + v * kLanes, columns[v]);
      }
      from += kPerWord * stride;
      panel += kCols;
    }
  };

  /// Computes sums (R, V vectors), rows `pitch` apart, (+)= left right, over `words` words, and prefetches the lines
  /// ahead. Columns: Packed or ToPack.
  template <Index R, Index V, class Columns>
  [[gnu::target("avx2,fma"), gnu::noinline]] static void multiply(WordsOfRows left, LinesAhead ahead, Columns right,
                                                                  Index words, float* sums, Index pitch, Write write) {
    constexpr Index kGroups = (R + 2) / 3;  // of three rows, which x86 reaches from one pointer
    const std::byte* group[kGroups];
#pragma GCC unroll 16
    for (Index g = 0; g < kGroups; ++g) group[g] = left.data + 3 * g * left.row;
    __m256 sum[R][V];
#pragma GCC unroll 16
    for (Index r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) {
        __builtin_prefetch(sums + r * pitch + v * kLanes);
        sum[r][v] = _mm256_setzero_ps();
      }
    }
#pragma GCC unroll 2
    for (Index w = 0; w < words; ++w) {
      if (w % LinesAhead::kWords == 0) ahead.prefetch_some();
      __m256 columns[V];
      right.next(columns);
#pragma GCC unroll 16
      for (Index r = 0; r < R; ++r) {
        const __m256 row = _mm256_set1_ps(load_word<float>(group[r / 3] + r % 3 * left.row));
#pragma GCC unroll 16
        for (Index v = 0; v < V; ++v) sum[r][v] = _mm256_fmadd_ps(row, columns[v], sum[r][v]);
      }
#pragma GCC unroll 16
      for (Index g = 0; g < kGroups; ++g) group[g] += left.step;
    }
#pragma GCC unroll 16
    for (Index r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) {
        float* const out = sums + r * pitch + v * kLanes;
        _mm256_storeu_ps(out, write == Write::accumulate ? _mm256_add_ps(_mm256_loadu_ps(out), sum[r][v]) : sum[r][v]);
      }
    }
  }
};

}  // namespace kiln

#endif
