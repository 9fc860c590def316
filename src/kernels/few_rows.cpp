// Vectors of the compiler's (GCC and Clang), which it maps to whatever registers there are.
#include "kiln/kernels/few_rows.h"

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr Index kLanes = 16;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

constexpr Index kVectors = 2;                // of columns whose sums stay in registers, beside those of kFewRows rows
constexpr Index kBlock = kVectors * kLanes;  // columns
constexpr Index kGrainBytes = 1 << 14;       // of b, at least, for a thread

// Rows of b, and of b^T, that are read side by side. Those that come next are prefetched: the processor, which sees
// each of them begin anew, would not.
constexpr Index kPanel = 8, kDots = 2;

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

/// The left factor in float, its rows `depth` apart. It is small, and read again and again.
template <class T>
const float* widened(ConstMat<T> a) {
  static thread_local std::vector<float> memory;
  memory.resize(std::max(memory.size(), static_cast<std::size_t>(a.size())));
  for (Index m = 0; m < a.rows(); ++m) {
    for (Index k = 0; k < a.cols(); ++k) memory[static_cast<std::size_t>(m * a.cols() + k)] = widen(a(m, k));
  }
  return memory.data();
}

/// sums(m, n) += sum_k a(m, k) b(k, n) for M rows, kPanel or fewer k and kBlock columns. The sums' rows lie `width`
/// apart.
template <Index M, class T>
void add_panel(const float* a, Index a_row, const T* b, Index b_row, Index depth, float* sums, Index width) {
  Lanes kept[M][kVectors];
#pragma GCC unroll 8
  for (Index m = 0; m < M; ++m) {
#pragma GCC unroll 8
    for (Index v = 0; v < kVectors; ++v) kept[m][v] = load(sums + m * width + v * kLanes);
  }
  for (Index k = 0; k < depth; ++k) {
#pragma GCC unroll 8
    for (Index v = 0; v < kVectors; ++v) {
      const T* from = b + k * b_row + v * kLanes;
      __builtin_prefetch(from + kPanel * b_row);
      const Lanes right = load(from);
#pragma GCC unroll 8
      for (Index m = 0; m < M; ++m) kept[m][v] += a[m * a_row + k] * right;
    }
  }
#pragma GCC unroll 8
  for (Index m = 0; m < M; ++m) {
#pragma GCC unroll 8
    for (Index v = 0; v < kVectors; ++v) store(kept[m][v], sums + m * width + v * kLanes);
  }
}

/// The columns from `first` on, `count` of them, of c = a b + bias.
template <Index M, class T, class U>
void multiply_columns(const float* a, ConstMat<T> b, Mat<U> c, ConstVec<T> bias, Index first, Index count) {
  static thread_local std::vector<float> memory;
  const Index depth = b.rows(), blocks = count / kBlock * kBlock;
  memory.resize(std::max(memory.size(), static_cast<std::size_t>(M * count)));
  float* sums = memory.data();
#pragma GCC unroll 8
  for (Index m = 0; m < M; ++m) {
    for (Index n = 0; n < count; ++n) sums[m * count + n] = bias.size() > 0 ? widen(bias[first + n]) : 0.0f;
  }
  for (Index k = 0; k < depth; k += kPanel) {
    const Index rows = std::min(kPanel, depth - k);
    for (Index n = 0; n < blocks; n += kBlock) {
      add_panel<M>(a + k, depth, row(b, k) + first + n, b.outerStride(), rows, sums + n, count);
    }
    for (Index n = blocks; n < count; ++n) {
#pragma GCC unroll 8
      for (Index m = 0; m < M; ++m) {
        for (Index r = k; r < k + rows; ++r) sums[m * count + n] += a[m * depth + r] * widen(b(r, first + n));
      }
    }
  }
#pragma GCC unroll 8
  for (Index m = 0; m < M; ++m) {
    for (Index n = 0; n < count; ++n) c(m, first + n) = narrow<U>(sums[m * count + n]);
  }
}

/// c(m, n) = a(m) b(n) + bias for M rows and `count` <= kDots rows of b from `first` on.
template <Index M, Index N, class T, class U>
void multiply_dots(const float* a, ConstMat<T> b, Mat<U> c, ConstVec<T> bias, Index first) {
  const Index depth = b.cols(), whole = depth / kLanes * kLanes;
  Lanes sums[M][N]{};
  for (Index k = 0; k < whole; k += kLanes) {
#pragma GCC unroll 8
    for (Index n = 0; n < N; ++n) {
      const T* from = row(b, first + n) + k;
      __builtin_prefetch(from + N * b.outerStride());
      const Lanes right = load(from);
#pragma GCC unroll 8
      for (Index m = 0; m < M; ++m) sums[m][n] += load(a + m * depth + k) * right;
    }
  }
#pragma GCC unroll 8
  for (Index m = 0; m < M; ++m) {
#pragma GCC unroll 8
    for (Index n = 0; n < N; ++n) {
      float total = sum(sums[m][n]) + (bias.size() > 0 ? widen(bias[first + n]) : 0.0f);
      for (Index k = whole; k < depth; ++k) total += a[m * depth + k] * widen(b(first + n, k));
      c(m, first + n) = narrow<U>(total);
    }
  }
}

/// body.operator()<M>() for the M that is `rows`.
template <class Body>
void with_rows(Index rows, Body&& body) {
  assert(rows >= 1 && rows <= kFewRows);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((rows == Index{I} + 1 ? body.template operator()<Index{I} + 1>() : void()), ...);
  }
  (std::make_index_sequence<kFewRows>());
}

}  // namespace

template <class T, class U>
void few_rows_matmul(ConstMat<T> a, ConstMat<T> b, Mat<U> c, ConstVec<T> bias) {
  const float* left = widened(a);
  const Index blocks = (b.cols() + kBlock - 1) / kBlock;
  const Index grain = kGrainBytes / (kBlock * std::max<Index>(1, b.rows()) * static_cast<Index>(sizeof(T))) + 1;
  with_rows(a.rows(), [&]<Index M>() {
    parallel_for(blocks, grain, [&](Index begin, Index end) {
      multiply_columns<M>(left, b, c, bias, begin * kBlock, std::min(end * kBlock, b.cols()) - begin * kBlock);
    });
  });
}

template <class T, class U>
void few_rows_matmul_nt(ConstMat<T> a, ConstMat<T> b, Mat<U> c, ConstVec<T> bias) {
  const float* left = widened(a);
  const Index pairs = (b.rows() + kDots - 1) / kDots;
  const Index grain = kGrainBytes / (kDots * std::max<Index>(1, b.cols()) * static_cast<Index>(sizeof(T))) + 1;
  with_rows(a.rows(), [&]<Index M>() {
    parallel_for(pairs, grain, [&](Index begin, Index end) {
      Index n = begin * kDots;
      const Index last = std::min(end * kDots, b.rows());
      for (; n + kDots <= last; n += kDots) multiply_dots<M, kDots>(left, b, c, bias, n);
      for (; n < last; ++n) multiply_dots<M, 1>(left, b, c, bias, n);
    });
  });
}

#define KILN_INSTANTIATE(T, U)                                                        \
  template void few_rows_matmul<T, U>(ConstMat<T>, ConstMat<T>, Mat<U>, ConstVec<T>); \
  template void few_rows_matmul_nt<T, U>(ConstMat<T>, ConstMat<T>, Mat<U>, ConstVec<T>);
KILN_INSTANTIATE(float, float)
KILN_INSTANTIATE(bfloat16, bfloat16)
KILN_INSTANTIATE(bfloat16, float)
#undef KILN_INSTANTIATE

}  // namespace kiln
