// Draws dropout masks from the counter-based generator, and applies them in residual sums.
#include "kiln/kernels/dropout.h"

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

namespace kiln {
namespace {

constexpr Index kRowGrain = 8;
constexpr Index kPiece = 256;  // factors drawn at a time, on the stack

/// Calls body(row, column, count, factors) for pieces of every row of an (N, C) matrix. Rows of no sequence get factors
/// of 1.
template <class Body>
void for_each_piece(Index rows, Index cols, const Dropout& dropout, std::span<const Sequence> sequences, Body&& body) {
  parallel_for(rows, kRowGrain, [&](Index begin, Index end) {
    std::array<float, kPiece> factors;
    auto after = std::ranges::upper_bound(sequences, begin, {}, &Sequence::row);  // the sequence after that of row n
    for (Index n = begin; n < end; ++n) {
      while (after != sequences.end() && after->row <= n) ++after;
      const Sequence* s = after == sequences.begin() ? nullptr : &*std::prev(after);
      const bool is_in_sequence = s != nullptr && n < s->row + s->length;
      for (Index c = 0; c < cols; c += kPiece) {
        const Index count = std::min(kPiece, cols - c);
        if (is_in_sequence) {
          dropout.fill(s->number, static_cast<std::uint64_t>((n - s->row) * cols + c), count, factors.data());
        } else {
          factors.fill(1.0f);
        }
        body(n, c, count, factors.data());
      }
    }
  });
}

}  // namespace

Dropout::Dropout(const StepContext& context, double rate, std::uint64_t site) {
  if (!context.training || rate == 0.0) return;
  key_ = stream_key(context.seed, "dropout") + site;
  threshold_ = static_cast<std::uint32_t>(std::ceil(rate * 0x1.0p32));
  scale_ = static_cast<float>(1.0 / (1.0 - rate));
}

void Dropout::fill(std::uint64_t sequence, std::uint64_t first, Index count, float* factors) const {
  if (!active()) {
    std::fill_n(factors, count, 1.0f);
    return;
  }
  const std::uint32_t threshold = threshold_;
  const float scale = scale_;
  std::array<PhiloxBlock, kPiece / 4> blocks;
  for (std::uint64_t e = first, end = first + static_cast<std::uint64_t>(count); e < end;) {
    const std::uint64_t skipped = e % 4, taken = std::min<std::uint64_t>(end - e, kPiece - skipped);
    philox_blocks(key_, e / 4, sequence, std::span(blocks).first((skipped + taken + 3) / 4));
    const std::uint32_t* words = blocks.front().data() + skipped;
#pragma omp simd
    for (std::uint64_t i = 0; i < taken; ++i) factors[i] = words[i] >= threshold ? scale : 0.0f;
    factors += taken;
    e += taken;
  }
}

template <class T>
void residual_forward(ConstMat<T> x, Dropout dropout, std::span<const Sequence> sequences, Mat<T> y) {
  using A = Acc<T>;
  if (!dropout.active()) {
    parallel_for(x.rows(), kRowGrain, [&](Index begin, Index end) {
      for (Index n = begin; n < end; ++n) {
        const T* in = row(x, n);
        T* out = row(y, n);
#pragma omp simd
        for (Index c = 0; c < x.cols(); ++c) out[c] = narrow<T>(widen(in[c]) + widen(out[c]));
      }
    });
    return;
  }
  for_each_piece(x.rows(), x.cols(), dropout, sequences, [&](Index n, Index c, Index count, const float* factors) {
    const T* in = row(x, n) + c;
    T* out = row(y, n) + c;
#pragma omp simd
    for (Index i = 0; i < count; ++i) {
      out[i] = narrow<T>(widen(in[i]) + widen(out[i]) * static_cast<A>(factors[i]));
    }
  });
}

// y = x + factor * y
template <class T>
ConstMat<T> residual_backward(ConstMat<T> dx, Dropout dropout, std::span<const Sequence> sequences, Mat<T> memory) {
  if (!dropout.active()) return dx;
  using A = Acc<T>;
  for_each_piece(dx.rows(), dx.cols(), dropout, sequences, [&](Index n, Index c, Index count, const float* factors) {
    const T* in = row(dx, n) + c;
    T* out = row(memory, n) + c;
#pragma omp simd
    for (Index i = 0; i < count; ++i) out[i] = narrow<T>(widen(in[i]) * static_cast<A>(factors[i]));
  });
  return as_const(memory);
}

template <class T>
void dropout_inplace(Dropout dropout, std::span<const Sequence> sequences, Mat<T> x) {
  residual_backward<T>(as_const(x), dropout, sequences, x);
}

#define KILN_INSTANTIATE(T)                                                                           \
  template void residual_forward<T>(ConstMat<T>, Dropout, std::span<const Sequence>, Mat<T>);         \
  template ConstMat<T> residual_backward<T>(ConstMat<T>, Dropout, std::span<const Sequence>, Mat<T>); \
  template void dropout_inplace<T>(Dropout, std::span<const Sequence>, Mat<T>);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
