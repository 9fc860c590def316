// Packs panels and computes blocks of sums in AVX2's registers, for VectorMicrokernel. Compiled for AVX2 in any build;
// callers ask the CPU.
#pragma once

#include "kiln/tensor/view.h"

#if defined(__x86_64__)
#include <algorithm>
#include <immintrin.h>

namespace kiln {

/// 6 x 16 sums in 12 of the 16 registers; two more hold a row of the right factor, one a number of the left one.
class Avx2Block {
 public:
  static constexpr Index kRows = 6, kLanes = 8, kVectors = 2, kCols = kVectors * kLanes;

  /// Computes sums (kRows, V vectors), rows `pitch` apart, (+)= left^T right, from panels: left (depth, kRows), right
  /// (depth, kCols), aligned to vectors.
  template <Index V>
  [[gnu::target("avx2,fma"), gnu::noinline]] static void multiply(const float* left, const float* right, Index depth,
                                                                  float* sums, Index pitch, Write write) {
    __m256 sum[kRows][V];
#pragma GCC unroll 16
    for (Index r = 0; r < kRows; ++r) {
      __builtin_prefetch(sums + r * pitch);
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) sum[r][v] = _mm256_setzero_ps();
    }
#pragma GCC unroll 4
    for (Index k = 0; k < depth; ++k, left += kRows, right += kCols) {
      __m256 columns[V];
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) columns[v] = _mm256_load_ps(right + v * kLanes);
#pragma GCC unroll 16
      for (Index r = 0; r < kRows; ++r) {
        const __m256 row = _mm256_broadcast_ss(left + r);
#pragma GCC unroll 16
        for (Index v = 0; v < V; ++v) sum[r][v] = _mm256_fmadd_ps(row, columns[v], sum[r][v]);
      }
    }
#pragma GCC unroll 16
    for (Index r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) {
        float* const out = sums + r * pitch + v * kLanes;
        _mm256_storeu_ps(out, write == Write::accumulate ? _mm256_add_ps(_mm256_loadu_ps(out), sum[r][v]) : sum[r][v]);
      }
    }
  }

  /// out[p * panel + k * Lines + l] = from[k * stride + p * Lines + l] for k < depth, p < panels, l < Lines. Reads in
  /// memory order.
  template <Index Lines, class T>
  [[gnu::target("avx2,fma"), gnu::noinline]] static void copy(const T* from, Index stride, Index depth, Index panels,
                                                              float* out, Index panel) {
    for (Index k = 0; k < depth; ++k, from += stride, out += Lines) {
      for (Index p = 0; p < panels; ++p) {
        const T* const in = from + p * Lines;
        float* const to = out + p * panel;
#pragma GCC unroll 4
        for (Index l = 0; l + kLanes <= Lines; l += kLanes) _mm256_storeu_ps(to + l, load(in + l));
        if constexpr (Lines % kLanes != 0) {  // two fours, which may overlap
          constexpr Index kWhole = Lines / kLanes * kLanes, kLast = Lines - 4;
          _mm_storeu_ps(to + kWhole, load_four(in + kWhole));
          _mm_storeu_ps(to + kLast, load_four(in + kLast));
        }
      }
    }
  }

  /// out[k * Lines + l] = from[l * stride + k] for k < depth, a multiple of kLanes, and l < count <= Lines. Overwrites
  /// out[k * Lines + l] for other l, and less than kLanes numbers beyond the end.
  template <Index Lines, class T>
  [[gnu::target("avx2,fma"), gnu::noinline]] static void transpose(const T* from, Index stride, Index count,
                                                                   Index depth, float* out) {
    constexpr Index kStep = 16;  // reads a cache line of each of 8 lines before others may evict it
    for (Index begin = 0; begin < depth; begin += kStep) {
      for (Index l = 0; l < Lines; l += kLanes) {
        const T* line[kLanes];
        for (Index i = 0; i < kLanes; ++i) line[i] = from + std::min(l + i, count - 1) * stride;
        for (Index k = begin; k < std::min(depth, begin + kStep); k += kLanes) {
          transpose_square(line, k, out + k * Lines + l, Lines);
        }
      }
    }
  }

 private:
  [[gnu::target("avx2,fma")]] static __m256 load(const float* from) { return _mm256_loadu_ps(from); }
  [[gnu::target("avx2,fma")]] static __m256 load(const bfloat16* from) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  [[gnu::target("avx2,fma")]] static __m128 load_four(const float* from) { return _mm_loadu_ps(from); }
  [[gnu::target("avx2,fma")]] static __m128 load_four(const bfloat16* from) {
    const __m128i halves = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    return _mm_castsi128_ps(_mm_slli_epi32(_mm_cvtepu16_epi32(halves), 16));
  }

  /// Transposes numbers [k, k + 8) of eight lines into rows of `out`, `stride` apart.
  template <class T>
  [[gnu::target("avx2,fma"), gnu::always_inline]] static void transpose_square(const T* const (&line)[kLanes], Index k,
                                                                               float* out, Index stride) {
    __m256 row[kLanes], pair[kLanes], four[kLanes];
#pragma GCC unroll 8
    for (Index i = 0; i < kLanes; ++i) row[i] = load(line[i] + k);
#pragma GCC unroll 4
    for (Index i = 0; i < kLanes; i += 2) {
      pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
      pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
    }
#pragma GCC unroll 2
    for (Index i = 0; i < kLanes; i += 4) {
      four[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
      four[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
      four[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
      four[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (Index i = 0; i < 4; ++i) {
      _mm256_storeu_ps(out + i * stride, _mm256_permute2f128_ps(four[i], four[i + 4], 0x20));
    }
#pragma GCC unroll 4
    for (Index i = 0; i < 4; ++i) {
      _mm256_storeu_ps(out + (i + 4) * stride, _mm256_permute2f128_ps(four[i], four[i + 4], 0x31));
    }
  }
};

}  // namespace kiln

#endif
