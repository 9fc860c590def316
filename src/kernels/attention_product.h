// Products of the tiles of fused attention: a block of sums stays in registers, and causal tiles leave parts out.
#pragma once

#include "kernels/multiply_block.h"
#include <algorithm>

// GCC warns that vector types lose their alignment attribute as template arguments; Eigen's packets do not rely on it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"

namespace kiln::tile {

/// The block of a product that stays in registers: kRows x kVectors sums, enough to hide the latency of a fused
/// multiply-add, beside kVectors of the right factor and one of the left.
inline constexpr Index kRows = 4;
inline constexpr Index kVectors = kHasManyRegisters ? 4 : 2;

/// What a block of rows of a product needs: sums over the words [begin, end) of its depth, for columns [first, last),
/// whole vectors.
struct Part {
  Index begin, end, first, last;
};

/// R rows of a product, cut into blocks of columns. Not inlined: GCC 12 makes of its copies in callers what is 8%
/// slower.
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

/// c = a b or c += a b over what a causal tile needs: part_of(r, n) names the part for rows [r, r + n).
template <class T, class PartOf, class A = Acc<T>>
void multiply(Left<T> a, const A* b, Index b_row, A* c, Index c_row, Index rows, bool accumulate, PartOf&& part_of) {
  Index r = 0;
  for (; r + kRows <= rows; r += kRows) {
    multiply_rows<kRows>(Left<T>{a.data + r * a.row, a.row, a.depth}, b, b_row, c + r * c_row, c_row, part_of(r, kRows),
                         accumulate);
  }
  for (; r < rows; ++r) {
    multiply_rows<1>(Left<T>{a.data + r * a.row, a.row, a.depth}, b, b_row, c + r * c_row, c_row, part_of(r, 1),
                     accumulate);
  }
}

}  // namespace kiln::tile

#pragma GCC diagnostic pop
