// Wraps SIMD vectors for attention and AMX products: a fast exponential, and products of words (pairs of bfloat16).
#pragma once

#include "kiln/tensor/convert.h"
#include "kiln/tensor/view.h"

#include "kernels/exponential.h"
#include <bit>
#include <cstdint>
#include <cstring>
#if defined(__AVX512BF16__) && defined(EIGEN_VECTORIZE_AVX512)
#define KILN_BFLOAT16_PAIRS
#include <immintrin.h>
#endif

// GCC warns that vector types lose their alignment attribute as template arguments; Eigen's packets do not rely on it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"

namespace kiln::tile {

namespace simd = Eigen::internal;  // the only SIMD interface common to all of Eigen's platforms

template <class A>
using Packet = typename simd::packet_traits<A>::type;
template <class A>
inline constexpr Index kLanes = simd::packet_traits<A>::size;

/// Returns `count` rounded up to whole vectors.
template <class A>
constexpr Index padded(Index count) {
  return (count + kLanes<A> - 1) / kLanes<A> * kLanes<A>;
}

/// A word is one lane's input to a product, of the size of Acc<T>: one number, or two bfloat16 that are neighbours in
/// the product's depth on CPUs that multiply and add such pairs at once.
template <class T>
inline constexpr Index kPerWord = 1;
#ifdef KILN_BFLOAT16_PAIRS
template <>
inline constexpr Index kPerWord<bfloat16> = 2;
#endif
template <class T>
inline constexpr bool kIsPaired = kPerWord<T> > 1;

/// Returns the number of words for `count` numbers.
template <class T>
constexpr Index words(Index count) {
  return (count + kPerWord<T> - 1) / kPerWord<T>;
}

/// Returns sum + left * right in each lane, in Acc<T>; for pairs, adds both products.
template <class T>
Packet<Acc<T>> multiply_add(Packet<Acc<T>> left, Packet<Acc<T>> right, Packet<Acc<T>> sum) {
#ifdef KILN_BFLOAT16_PAIRS
  if constexpr (kIsPaired<T>) return _mm512_dpbf16_ps(sum, (__m512bh)left, (__m512bh)right);
#endif
  return simd::pmadd(left, right, sum);
}

/// Rounds a vector of each of kPerWord<T> rows to T, and returns them row after row in one vector.
template <class T>
Packet<Acc<T>> round_rows(const Packet<Acc<T>> (&rows)[kPerWord<T>]) {
#ifdef KILN_BFLOAT16_PAIRS
  if constexpr (kIsPaired<T>) return (__m512)_mm512_cvtne2ps_pbh(rows[1], rows[0]);
#endif
  return rows[0];
}

/// Returns the rounding errors of the rows, rounded in turn: both together keep twice the bits of a factor.
template <class T>
Packet<Acc<T>> round_rest([[maybe_unused]] const Packet<Acc<T>> (&rows)[kPerWord<T>],
                          [[maybe_unused]] Packet<Acc<T>> rounded) {
#ifdef KILN_BFLOAT16_PAIRS
  if constexpr (kIsPaired<T>) {
    const auto widened = [](__m256i half) { return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16); };
    const __m512i halves = (__m512i)rounded;
    return round_rows<T>({simd::psub(rows[0], widened(_mm512_castsi512_si256(halves))),
                          simd::psub(rows[1], widened(_mm512_extracti64x4_epi64(halves, 1)))});
  }
#endif
  return simd::pset1<Packet<Acc<T>>>(Acc<T>(0));
}

/// Stores the result of round_rows in words along its rows, `stride` apart.
template <class T>
void store_along(Packet<Acc<T>> rounded, Acc<T>* out, [[maybe_unused]] Index stride) {
#ifdef KILN_BFLOAT16_PAIRS
  if constexpr (kIsPaired<T>) {
    _mm256_storeu_ps(out, _mm512_castps512_ps256(rounded));
    _mm256_storeu_ps(out + stride, _mm512_extractf32x8_ps(rounded, 1));
    return;
  }
#endif
  simd::pstoreu(out, rounded);
}

/// Stores the result of round_rows in words across its rows, one per lane.
template <class T>
void store_across(Packet<Acc<T>> rounded, Acc<T>* out) {
#ifdef KILN_BFLOAT16_PAIRS
  if constexpr (kIsPaired<T>) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    rounded = (__m512)_mm512_permutexvar_epi16(order, (__m512i)rounded);
  }
#endif
  simd::pstoreu(out, rounded);
}

/// out = m as Acc<T>, rows `stride` apart, padded with zeros to whole vectors.
template <class T>
void widen_rows(ConstMat<T> m, Acc<T>* out, Index stride) {
  using A = Acc<T>;
  const Index width = padded<A>(m.cols());
  for (Index i = 0; i < m.rows(); ++i, out += stride) {
    const T* in = row(m, i);
#pragma omp simd
    for (Index d = 0; d < m.cols(); ++d) out[d] = widen(in[d]);
    for (Index d = m.cols(); d < width; ++d) out[d] = A(0);
  }
}

/// out = m in words along its rows, (m.rows(), stride), padded with zeros; stride is a multiple of the vector.
template <class T>
void words_along_rows(ConstMat<T> m, Acc<T>* out, Index stride) {
  if constexpr (!kIsPaired<T>) {
    widen_rows(m, out, stride);
  } else {
    constexpr Index kBatch = kLanes<Acc<T>> * kPerWord<T>;
    const Index whole = m.cols() / kBatch * kBatch, rest = m.cols() - whole;
    for (Index i = 0; i < m.rows(); ++i, out += stride) {
      const T* in = row(m, i);
      for (Index d = 0; d < whole; d += kBatch) std::memcpy(out + d / kPerWord<T>, in + d, kBatch * sizeof(T));
      if (rest == 0) continue;
      T last[kBatch] = {};
      std::copy_n(in + whole, rest, last);
      std::memcpy(out + whole / kPerWord<T>, last, sizeof(last));
    }
  }
}

/// out = m in words across its rows, (words(m.rows()), m.cols() padded to whole vectors), padded with zeros.
template <class T>
void words_across_rows(ConstMat<T> m, Acc<T>* out) {
  const Index width = padded<Acc<T>>(m.cols());
  if constexpr (!kIsPaired<T>) {
    widen_rows(m, out, width);
  } else {
    for (Index i = 0; i < m.rows(); i += 2, out += width) {
      const bool last = i + 1 == m.rows();
      const T *even = row(m, i), *odd = last ? even : row(m, i + 1);
      const std::uint32_t mask = last ? 0 : 0xffff0000u;
#pragma omp simd
      for (Index d = 0; d < m.cols(); ++d) {
        out[d] = std::bit_cast<float>(even[d].value | ((std::uint32_t{odd[d].value} << 16) & mask));
      }
      for (Index d = m.cols(); d < width; ++d) out[d] = 0;
    }
  }
}

/// m = factor * rows as T, rows `stride` apart; one factor per row, or 1 if factor is null.
template <class T>
void narrow_rows(const Acc<T>* rows, Index stride, const Acc<T>* factor, Mat<T> m) {
  using A = Acc<T>;
  for (Index i = 0; i < m.rows(); ++i, rows += stride) {
    const A scale = factor == nullptr ? A(1) : factor[i];
    T* out = row(m, i);
    Index d = 0;
    if constexpr (kIsPaired<T>) {
      constexpr Index kLane = kLanes<A>;
      const Packet<A> scales = simd::pset1<Packet<A>>(scale);
      for (; d + 2 * kLane <= m.cols(); d += 2 * kLane) {
        const Packet<A> both[2] = {simd::pmul(scales, simd::ploadu<Packet<A>>(rows + d)),
                                   simd::pmul(scales, simd::ploadu<Packet<A>>(rows + d + kLane))};
        simd::pstoreu(reinterpret_cast<A*>(out + d), round_rows<T>(both));
      }
    }
#pragma omp simd
    for (Index e = d; e < m.cols(); ++e) out[e] = narrow<T>(scale * rows[e]);
  }
}

/// Returns 2^x for x up to 127; in float, to within 2^-23, and 2^-126 for any smaller x. Takes a third of the
/// operations of Eigen's exponential: x = n + f with n integer, 2^f by a polynomial, 2^n from its bits.
template <class A>
Packet<A> exp2(Packet<A> x) {
  const auto all = [](A value) { return simd::pset1<Packet<A>>(value); };
  if constexpr (std::is_same_v<A, float>) {
    using Bits = typename simd::unpacket_traits<Packet<A>>::integer_packet;
    // Adding 1.5 * 2^23 rounds to an integer, held in the sum's lowest bits; 127 is the exponent's bias.
    const Packet<A> shift = all(12582912.0f + 127.0f);
    x = simd::pmax(x, all(-126.0f));
    const Packet<A> shifted = simd::padd(x, shift), f = simd::psub(x, simd::psub(shifted, shift));
    const Packet<A> power =
        simd::preinterpret<Packet<A>>(simd::plogical_shift_left<23>(simd::preinterpret<Bits>(shifted)));
    Packet<A> sum = all(kPowerOfTwo[0]);
    for (std::size_t i = 1; i < kPowerOfTwo.size(); ++i) sum = simd::pmadd(sum, f, all(kPowerOfTwo[i]));
    return simd::pmul(sum, power);
  } else {
    return simd::pexp(simd::pmul(x, all(A(EIGEN_LN2))));
  }
}

}  // namespace kiln::tile

#pragma GCC diagnostic pop
