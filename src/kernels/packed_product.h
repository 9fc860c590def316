// Products of bfloat16 in tiles of the result, each by one thread: stretches of the factors are laid out for the
// innermost loop, which then reads both in order (Goto and van de Geijn, "Anatomy of high-performance matrix
// multiplication", 2008). Each sum is taken in one order, so no bit depends on how many threads there are.
#pragma once

#include "kiln/core/threads.h"
#include "kiln/kernels/product_tiles.h"
#include "kiln/tensor/convert.h"

#include "kernels/scratch.h"
#include "kernels/strided.h"
#include <algorithm>
#include <cassert>
#include <cstddef>

namespace kiln {

/// What a product is made with: how factors are laid out, in words of a float's size, and multiplied.
///   kTileRows, kTileCols, kDepth   the largest tile, and the stretch of the inner dimension laid out at a time
///   kRows, kCols                   what tiles are multiples of, but for the last ones
///   kLeftSize, kRightSize          room, in words, for what is laid out of each factor at a time
///   lay_out_right(b, right)        b (depth, cols)
///   multiply(a, left, right, cols, sums, accumulate)
///                                  sums (rows, cols), kTileCols apart, (+)= a (rows, depth) times what `right` holds
template <class Unit>
concept ProductUnit = requires(const Strided<bfloat16>& m, float* out, const float* in) {
  Index{Unit::kTileRows + Unit::kTileCols + Unit::kDepth + Unit::kRows + Unit::kCols};
  Index{Unit::kLeftSize + Unit::kRightSize};
  Unit::lay_out_right(m, out);
  Unit::multiply(m, out, in, Index{}, out, bool{});
};

/// The tiles of a result, of about the same size.
template <ProductUnit Unit>
class ProductGrid {
 public:
  /// The largest tiles there may be, and smaller ones where threads would go without or have unequal shares.
  ProductGrid(Index rows, Index cols) {
    const Index threads = threads_here();
    Index down = (rows + Unit::kTileRows - 1) / Unit::kTileRows, along = (cols + Unit::kTileCols - 1) / Unit::kTileCols;
    while (down * along % threads != 0 && down * along < kManyTiles * threads) {
      (rows * along > cols * down ? down : along) += 1;
    }
    rows_ = Cut::into(down, rows, Unit::kRows);
    cols_ = Cut::into(along, cols, Unit::kCols);
  }

  Index count() const { return rows_.count() * cols_.count(); }

  struct Tile {
    Index row, rows, col, cols;
  };
  Tile operator[](Index i) const {
    const Index row = i % rows_.count(), col = i / rows_.count();
    return {rows_.begin(row), rows_.length(row), cols_.begin(col), cols_.length(col)};
  }

 private:
  static constexpr Index kManyTiles = 4;  // a thread: shares that differ by a tile are about equal
  Cut rows_, cols_;
};

/// c (+)= sums (+ bias), rounded to U.   sums (M, N), rows `pitch` apart, are spoilt.
template <class U>
void write_sums(float* sums, Index pitch, Mat<U> c, Write write, ConstVec<bfloat16> bias) {
  for (Index i = 0; i < c.rows(); ++i, sums += pitch) {
    U* const out = row(c, i);
    for (Index j = 0; j < bias.size(); ++j) sums[j] += widen(bias[j]);
    if (write == Write::accumulate) {
      for (Index j = 0; j < c.cols(); ++j) sums[j] += widen(out[j]);
    }
    for (Index j = 0; j < c.cols(); ++j) out[j] = narrow<U>(sums[j]);
  }
}

/// Words that a thread needs for a tile: of both factors, then its sums.
template <ProductUnit Unit>
constexpr Index packed_words() {
  const Index sums = Unit::kTileRows * Unit::kTileCols;
  return Unit::kLeftSize + Unit::kRightSize + sums;
}

/// Bytes that each thread keeps for it, from the first product on.
template <ProductUnit Unit>
constexpr std::size_t packed_product_bytes() {
  return static_cast<std::size_t>(packed_words<Unit>()) * sizeof(float);
}

/// c (+)= a b (+ bias in each row).   a (M, K), b (K, N), c (M, N) not empty, bias (N) or empty; U is bfloat16 or
/// float. Sums are kept in float and rounded to U once. Uses all threads, inside a parallel region the calling one.
template <ProductUnit Unit, class U>
void packed_product(const Strided<bfloat16>& a, const Strided<bfloat16>& b, Mat<U> c, Write write,
                    ConstVec<bfloat16> bias) {
  assert(c.size() > 0);
  const ProductGrid<Unit> grid(c.rows(), c.cols());
  parallel_each(grid.count(), [&](Index i) {
    float* const left = scratch<Unit, float>(packed_words<Unit>());
    float* const right = left + Unit::kLeftSize;
    float* const sums = right + Unit::kRightSize;
    const auto [row, rows, col, cols] = grid[i];
    Index k = 0;
    do {  // once at least: an empty sum is 0
      const Index depth = std::min(Unit::kDepth, a.cols - k);
      Unit::lay_out_right(b.part(k, depth, col, cols), right);
      Unit::multiply(a.part(row, rows, k, depth), left, right, cols, sums, k > 0);
      k += depth;
    } while (k < a.cols);
    write_sums<U>(sums, Unit::kTileCols, columns(kiln::rows(c, row, rows), col, cols), write, part(bias, col, cols));
  });
}

}  // namespace kiln
