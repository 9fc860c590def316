// The innermost loop of every product of kiln's own: a block of sums that stays in registers.
#pragma once

#include "kernels/vectors.h"

// GCC warns that vector types lose their alignment attribute as template arguments; Eigen's packets do not rely on it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"

namespace kiln::tile {

inline constexpr bool kHasManyRegisters = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32;

/// Holds a vector in its register. GCC 12 would fold the load into each multiply-add that uses it, and a load a
/// multiply-add is more than the load unit delivers: 88 instead of 103 GFLOP/s (Zen 4, one core, peak 117).
template <class P>
void hold([[maybe_unused]] P& packet) {
#if defined(__GNUC__) && defined(__AVX__)
  asm("" : "+v"(packet));
#endif
}

/// A matrix in scratch memory as a product's left factor, in words of T: word (r, k) at data[r * row + k * depth].
template <class T>
struct Left {
  const Acc<T>* data;
  Index row, depth;
};

/// R rows and V vectors of c = a b or, accumulating, c += a b; b holds words, c numbers. Rows of b and c are b_row and
/// c_row apart. Inlined: short products spend a tenth of their time on the call.
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

}  // namespace kiln::tile

#pragma GCC diagnostic pop
