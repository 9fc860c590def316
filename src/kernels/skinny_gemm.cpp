// Multiplies a few rows with the compiler's vector types (GCC and Clang), which map to the available registers.
#include "kernels/skinny_gemm.h"

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include "kernels/scratch.h"
#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <utility>

namespace kiln {
namespace {

#if defined(__AVX512F__)
constexpr Index kLanes = 16;
#elif defined(__AVX__)
constexpr Index kLanes = 8;
#else
constexpr Index kLanes = 4;
#endif
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

constexpr Index kGrainBytes = 1 << 14;  // of b per thread, at least
constexpr Index kPanel = 4;             // rows of b added to the sums at once
constexpr Index kRowsAhead = 4;         // prefetch distance: the hardware alone would wait at each new row
constexpr int kSecondLevel = 2;         // L2 cache
constexpr Index kParts = 8;             // of b's rows, each with its own sums: fixed, so that threads change no bits

Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return lanes;
}

Lanes load(const bfloat16* from) {
  using Halves = std::uint16_t __attribute__((vector_size(kLanes * sizeof(std::uint16_t))));
  using Words = std::uint32_t __attribute__((vector_size(kLanes * sizeof(std::uint32_t))));
  Halves halves;
  std::memcpy(&halves, from, sizeof(halves));
  return std::bit_cast<Lanes>(__builtin_convertvector(halves, Words) << 16);
}

void store(Lanes lanes, float* to) { std::memcpy(to, &lanes, sizeof(lanes)); }

float sum(Lanes lanes) {
  float total = 0;
  for (Index i = 0; i < kLanes; ++i) total += lanes[i];
  return total;
}

/// Calls body.operator()<R>() with R = rows, in [1, Most].
template <Index Most, class Body>
void with_rows(Index rows, Body&& body) {
  assert(rows >= 1 && rows <= Most);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((rows == Index{I} + 1 ? body.template operator()<Index{I} + 1>() : void()), ...);
  }
  (std::make_index_sequence<Most>());
}

/// Returns the left factor in float, its rows `depth` apart. It is small and read repeatedly.
template <class T>
const float* widened(ConstMat<T> a) {
  float* const wide = scratch<struct WideLeft, float>(a.size());
  for (Index m = 0; m < a.rows(); ++m) {
    for (Index k = 0; k < a.cols(); ++k) wide[m * a.cols() + k] = widen(a(m, k));
  }
  return wide;
}

/// sums(m, n) += sum_r a(m, r) b(r, n) for M rows of a, R rows of b and all `width` columns; sums has stride `width`.
template <Index M, Index R, class T>
void add_rows(const float* a, Index a_row, const T* b, Index b_row, Index width, float* sums) {
  const Index whole = width / kLanes * kLanes;
  for (Index n = 0; n < whole; n += kLanes) {
    Lanes right[R];
#pragma GCC unroll 8
    for (Index r = 0; r < R; ++r) {
      __builtin_prefetch(b + (kRowsAhead + r) * b_row + n, 0, kSecondLevel);
      right[r] = load(b + r * b_row + n);
    }
#pragma GCC unroll 8
    for (Index m = 0; m < M; ++m) {
      Lanes kept = load(sums + m * width + n);
#pragma GCC unroll 8
      for (Index r = 0; r < R; ++r) kept += a[m * a_row + r] * right[r];
      store(kept, sums + m * width + n);
    }
  }
  for (Index n = whole; n < width; ++n) {
    for (Index m = 0; m < M; ++m) {
      for (Index r = 0; r < R; ++r) sums[m * width + n] += a[m * a_row + r] * widen(b[r * b_row + n]);
    }
  }
}

/// sums (M, N) = a b over the rows [begin, end) of b only.
template <Index M, class T>
void sum_part(const float* a, ConstMat<T> b, Index begin, Index end, float* sums) {
  const Index width = b.cols();
  std::fill_n(sums, M * width, 0.0f);
  Index k = begin;
  for (; k + kPanel <= end; k += kPanel) add_rows<M, kPanel>(a + k, b.rows(), row(b, k), b.outerStride(), width, sums);
  for (; k < end; ++k) add_rows<M, 1>(a + k, b.rows(), row(b, k), b.outerStride(), width, sums);
}

/// c(m, n) = a(m) b(n) + bias for M rows of a and row n of b.
template <Index M, class T, class U>
void multiply_dots(const float* a, ConstMat<T> b, Mat<U> c, ConstVec<T> bias, Index n) {
  constexpr Index kChains = 4;  // independent sums, to hide latency
  constexpr Index kStep = kChains * kLanes;
  const Index depth = b.cols(), whole = depth / kStep * kStep;
  const T* right = row(b, n);
  Lanes sums[M][kChains]{};
  for (Index k = 0; k < whole; k += kStep) {
#pragma GCC unroll 8
    for (Index i = 0; i < kChains; ++i) {
      __builtin_prefetch(right + kRowsAhead * b.outerStride() + k + i * kLanes, 0, kSecondLevel);
      const Lanes lanes = load(right + k + i * kLanes);
#pragma GCC unroll 8
      for (Index m = 0; m < M; ++m) sums[m][i] += load(a + m * depth + k + i * kLanes) * lanes;
    }
  }
#pragma GCC unroll 8
  for (Index m = 0; m < M; ++m) {
    float total = sum((sums[m][0] + sums[m][1]) + (sums[m][2] + sums[m][3]));
    for (Index k = whole; k < depth; ++k) total += a[m * depth + k] * widen(right[k]);
    c(m, n) = narrow<U>(total + (bias.size() > 0 ? widen(bias[n]) : 0.0f));
  }
}

}  // namespace

template <class T, class U>
void skinny_gemm(ConstMat<T> a, ConstMat<T> b, Mat<U> c, ConstVec<T> bias) {
  const Index width = b.cols(), size = a.rows() * width;  // of a part's sums
  float* const sums = scratch<struct SkinnySums, float>(kParts * size);
  const float* left = widened(a);
  const Index part_bytes = b.size() * static_cast<Index>(sizeof(T)) / kParts;
  with_rows<kSkinnyRows>(a.rows(), [&]<Index M>() {
    parallel_for(kParts, kGrainBytes / std::max<Index>(1, part_bytes) + 1, [&](Index begin, Index end) {
      for (Index part = begin; part < end; ++part) {
        sum_part<M>(left, b, b.rows() * part / kParts, b.rows() * (part + 1) / kParts, sums + part * size);
      }
    });
  });
  parallel_for(width, kGrainBytes / static_cast<Index>(kParts * sizeof(float)), [&](Index begin, Index end) {
    for (Index m = 0; m < a.rows(); ++m) {
      float* total = sums + m * width;
      for (Index part = 1; part < kParts; ++part) {
        const float* more = total + part * size;
        for (Index n = begin; n < end; ++n) total[n] += more[n];
      }
      for (Index n = begin; n < end; ++n) {
        c(m, n) = narrow<U>(total[n] + (bias.size() > 0 ? widen(bias[n]) : 0.0f));
      }
    }
  });
}

template <class T, class U>
void skinny_gemm_nt(ConstMat<T> a, ConstMat<T> b, Mat<U> c, ConstVec<T> bias) {
  const float* left = widened(a);
  const Index row_bytes = std::max<Index>(1, b.cols()) * static_cast<Index>(sizeof(T));
  with_rows<kSkinnyRows>(a.rows(), [&]<Index M>() {
    parallel_for(b.rows(), kGrainBytes / row_bytes + 1, [&](Index begin, Index end) {
      for (Index n = begin; n < end; ++n) multiply_dots<M>(left, b, c, bias, n);
    });
  });
}

#define KILN_INSTANTIATE(T, U)                                                    \
  template void skinny_gemm<T, U>(ConstMat<T>, ConstMat<T>, Mat<U>, ConstVec<T>); \
  template void skinny_gemm_nt<T, U>(ConstMat<T>, ConstMat<T>, Mat<U>, ConstVec<T>);
KILN_INSTANTIATE(float, float)
KILN_INSTANTIATE(bfloat16, bfloat16)
KILN_INSTANTIATE(bfloat16, float)
#undef KILN_INSTANTIATE

}  // namespace kiln
