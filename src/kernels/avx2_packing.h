// Packs factors for VectorMicrokernel with AVX2's registers. Compiled for AVX2 in any build; callers ask the CPU.
#pragma once

#include "kernels/packing.h"

#if defined(__x86_64__)
#include <algorithm>
#include <immintrin.h>

namespace kiln {

/// Packs words as PlainPacking does: PerWord numbers that are neighbours in the depth, which are one number, as float,
/// or two bfloat16 as they are.
template <Index PerWord>
class Avx2Packing {
 public:
  static constexpr Index kPerWord = PerWord;

  template <Index Lines, class T>
  [[gnu::target("avx2,fma"), gnu::noinline]] static void interleave(const T* from, Index stride, Index lines,
                                                                    Index depth, float* out) {
    const Index words = lines == Lines ? depth / PerWord : 0;
    float* to = out;
    for (const T* in = from; to < out + words * Lines; in += PerWord * stride, to += Lines) {
#pragma GCC unroll 4
      for (Index l = 0; l + kLanes <= Lines; l += kLanes) _mm256_storeu_ps(to + l, across(in + l, stride));
      if constexpr (Lines % kLanes != 0) {  // two fours, which may overlap
        constexpr Index kWhole = Lines / kLanes * kLanes, kLast = Lines - 4;
        _mm_storeu_ps(to + kWhole, four_across(in + kWhole, stride));
        _mm_storeu_ps(to + kLast, four_across(in + kLast, stride));
      }
    }
    for (Index l = 0; l < lines; ++l) {
      const WordsOfLine<T, PerWord> line{from + l, stride, depth};
      for (Index w = words; w < line.count(); ++w) out[w * Lines + l] = line[w];
    }
  }

  template <Index Lines, class T>
  [[gnu::target("avx2,fma"), gnu::noinline]] static void transpose(const T* from, Index stride, Index lines,
                                                                   Index depth, float* out) {
    static_assert(Lines % kLanes == 0);
    const Index words = depth / PerWord / kLanes * kLanes;
    for (Index l = 0; l < Lines; l += kLanes) {
      const T* line[kLanes];
      for (Index i = 0; i < kLanes; ++i) line[i] = from + std::min(l + i, lines - 1) * stride;
      for (Index w = 0; w < words; w += kLanes) transpose_square(line, w, out + w * Lines + l, Lines);
    }
    for (Index l = 0; l < lines; ++l) {
      const WordsOfLine<T, PerWord> line{from + l * stride, 1, depth};
      for (Index w = words; w < line.count(); ++w) out[w * Lines + l] = line[w];
    }
  }

  template <class T>
  [[gnu::target("avx2,fma"), gnu::noinline]] static void lay_out(const T* from, Index stride, Index lines, Index depth,
                                                                 float* out, Index pitch) {
    const Index words = depth / PerWord / kLanes * kLanes;
    for (Index l = 0; l < lines; ++l, from += stride, out += pitch) {
      for (Index w = 0; w < words; w += kLanes) _mm256_storeu_ps(out + w, along(from, w));
      const WordsOfLine<T, PerWord> line{from, 1, depth};
      for (Index w = words; w < line.count(); ++w) out[w] = line[w];
    }
  }

  template <class T>
  [[gnu::target("avx2,fma"), gnu::noinline]] static void round(const float* sums, T* out, Index count) {
    for (Index i = 0; i < count; ++i) out[i] = narrow<T>(sums[i]);
  }

 protected:
  static constexpr Index kLanes = 8;

  /// Returns a word of each of eight neighbouring lines, whose numbers lie `stride` apart.
  [[gnu::target("avx2,fma")]] static __m256 across(const float* from, Index /*stride*/) {
    return _mm256_loadu_ps(from);
  }
  [[gnu::target("avx2,fma")]] static __m256 across(const bfloat16* from, Index stride) {
    const __m256i first = eight(from);
    if constexpr (PerWord == 1) return widened(first);
    return _mm256_castsi256_ps(_mm256_or_si256(first, _mm256_slli_epi32(eight(from + stride), 16)));
  }

 private:
  [[gnu::target("avx2,fma")]] static __m128 four_across(const float* from, Index /*stride*/) {
    return _mm_loadu_ps(from);
  }
  [[gnu::target("avx2,fma")]] static __m128 four_across(const bfloat16* from, Index stride) {
    const __m128i first = four(from);
    if constexpr (PerWord == 1) return _mm_castsi128_ps(_mm_slli_epi32(first, 16));
    return _mm_castsi128_ps(_mm_or_si128(first, _mm_slli_epi32(four(from + stride), 16)));
  }

  /// Returns words [w, w + 8) of a line.
  [[gnu::target("avx2,fma")]] static __m256 along(const float* line, Index w) { return _mm256_loadu_ps(line + w); }
  [[gnu::target("avx2,fma")]] static __m256 along(const bfloat16* line, Index w) {
    if constexpr (PerWord == 1) return widened(eight(line + w));
    return _mm256_castsi256_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(line + PerWord * w)));
  }

  /// Return numbers in the lower halves of lanes.
  [[gnu::target("avx2,fma")]] static __m256i eight(const bfloat16* from) {
    return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  [[gnu::target("avx2,fma")]] static __m128i four(const bfloat16* from) {
    return _mm_cvtepu16_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  }
  [[gnu::target("avx2,fma")]] static __m256 widened(__m256i lower_halves) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(lower_halves, 16));
  }

  /// Transposes words [w, w + 8) of eight lines into rows of `out`, `stride` apart.
  template <class T>
  [[gnu::target("avx2,fma"), gnu::always_inline]] static void transpose_square(const T* const (&line)[kLanes], Index w,
                                                                               float* out, Index stride) {
    __m256 row[kLanes], pair[kLanes], four[kLanes];
#pragma GCC unroll 8
    for (Index i = 0; i < kLanes; ++i) row[i] = along(line[i], w);
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
