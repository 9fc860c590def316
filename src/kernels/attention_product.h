// Multiplies tiles of fused attention: keeps a block of sums in registers, and skips parts by the causal rule.
#pragma once

#include "kernels/vectors.h"
#include <algorithm>

// GCC warns that vector types lose their alignment attribute as template arguments; Eigen's packets do not rely on it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"

namespace kiln::tile {

inline constexpr bool kHasManyRegisters = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32;

/// The block of a product kept in registers: kRows x kVectors sums, enough to hide the latency of a fused multiply-add,
/// besides kVectors vectors of the right factor and one of the left. With 16 registers 6 rows are 15% faster than 4.
inline constexpr Index kRows = kHasManyRegisters ? 4 : 6;
inline constexpr Index kVectors = kHasManyRegisters ? 4 : 2;

/// Keeps a vector in a register. GCC 12 would fold its load into each multiply-add that uses it, which exceeds the load
/// unit's throughput: 88 instead of 103 GFLOP/s (Zen 4, one core, peak 117).
template <class P>
void hold([[maybe_unused]] P& packet) {
#if defined(__GNUC__) && defined(__AVX__)
  asm("" : "+v"(packet));
#endif
}

/// The left factor of a product, in scratch memory and words of T: word (r, k) at data[r * row + k * depth].
template <class T>
struct Left {
  const Acc<T>* data;
  Index row, depth;
};

/// Computes R rows and V vectors of c = a b or, if `accumulate`, c += a b. b holds words, c numbers; their rows are
/// b_row and c_row apart. Inlined: a call would take a tenth of the time of short products.
template <Index R, Index V, class T, class A = Acc<T>>
[[gnu::always_inline]] inline void multiply_block(Left<T> a, const A* b, Index b_row, A* c, Index c_row, Index depth,
                                                  bool accumulate) {
  constexpr Index kLane = kLanes<A>;
  Packet<A> sum[R][V];
#pragma GCC unroll 16
  for (Index r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (Index v = 0; v < V; ++v) {
      sum[r][v] = accumulate ? simd::ploadu<Packet<A>>(c + r * c_row + v * kLane) : simd::pset1<Packet<A>>(A(0));
    }
  }
  for (Index k = 0; k < depth; ++k) {
    Packet<A> right[V];
#pragma GCC unroll 16
    for (Index v = 0; v < V; ++v) right[v] = simd::ploadu<Packet<A>>(b + k * b_row + v * kLane);
#pragma GCC unroll 16
    for (Index v = 0; v < V; ++v) hold(right[v]);
#pragma GCC unroll 16
    for (Index r = 0; r < R; ++r) {
      const Packet<A> left = simd::pset1<Packet<A>>(a.data[r * a.row + k * a.depth]);
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) sum[r][v] = multiply_add<T>(left, right[v], sum[r][v]);
    }
  }
#pragma GCC unroll 16
  for (Index r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (Index v = 0; v < V; ++v) simd::pstoreu(c + r * c_row + v * kLane, sum[r][v]);
  }
}

/// The part of a product that a block of rows computes: sums over words [begin, end) of the depth, for columns
/// [first, last), in whole vectors.
struct Part {
  Index begin, end, first, last;
};

/// Computes R rows of a product in blocks of columns. Not inlined: GCC 12's inlined copies are 8% slower.
template <Index R, class T, class A = Acc<T>>
[[gnu::noinline]] void multiply_rows(Left<T> a, const A* b, Index b_row, A* c, Index c_row, Part part,
                                     bool accumulate) {
  static_assert(kVectors == 2 || kVectors == 4);
  a.data += part.begin * a.depth;
  b += part.begin * b_row;
  const Index depth = part.end - part.begin;
  for (Index column = part.first; column < part.last; column += kVectors * kLanes<A>) {
    const auto run = [&]<Index V>() {
      multiply_block<R, V>(a, b + column, b_row, c + column, c_row, depth, accumulate);
    };
    const Index vectors = std::min(kVectors, (part.last - column) / kLanes<A>);
    if (vectors == 1) {
      run.template operator()<1>();
    } else if (vectors == 2) {
      run.template operator()<2>();
    } else if constexpr (kVectors > 2) {
      vectors == 3 ? run.template operator()<3>() : run.template operator()<4>();
    }
  }
}

/// Computes `rows` rows, at most R, of a product in blocks of columns.
template <Index R, class T, class A = Acc<T>>
void multiply_at_most(Index rows, Left<T> a, const A* b, Index b_row, A* c, Index c_row, Part part, bool accumulate) {
  if (rows == R) return multiply_rows<R>(a, b, b_row, c, c_row, part, accumulate);
  if constexpr (R > 1) multiply_at_most<R - 1>(rows, a, b, b_row, c, c_row, part, accumulate);
}

/// Computes c = a b or, if `accumulate`, c += a b, restricted for rows [r, r + n) to part_of(r, n).
template <class T, class PartOf, class A = Acc<T>>
void multiply(Left<T> a, const A* b, Index b_row, A* c, Index c_row, Index rows, bool accumulate, PartOf&& part_of) {
  for (Index r = 0; r < rows; r += kRows) {
    const Index count = std::min(kRows, rows - r);
    multiply_at_most<kRows>(count, Left<T>{a.data + r * a.row, a.row, a.depth}, b, b_row, c + r * c_row, c_row,
                            part_of(r, count), accumulate);
  }
}

}  // namespace kiln::tile

#pragma GCC diagnostic pop
