// Multiplies matrices in tiles of the result, one thread per tile. Packs the factors for the innermost loop, which then
// reads both in order (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
#pragma once

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include "kernels/scratch.h"
#include "kernels/strided.h"
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <limits>

namespace kiln {

/// A microkernel of a tiled product:
///   Factor, PackedElement          element type of the factors, and of the packed factors
///   kTileRows, kTileCols, kDepth   the largest tile, and the depth (of the inner dimension) that is packed at a time
///   kRows, kCols                   tile sizes are multiples of these, except for the last tiles
///   kPackedSize                    size of both packed factors
///   multiply(a, b, packed, sums, write)
///                                  sums, rows kTileCols apart, (+)= a (rows, depth) b (depth, cols), on this thread
template <class Microkernel>
concept ProductMicrokernel = requires(const Strided<typename Microkernel::Factor>& m,
                                      typename Microkernel::PackedElement* packed,
                                      Acc<typename Microkernel::Factor>* sums) {
  Index{Microkernel::kTileRows + Microkernel::kTileCols + Microkernel::kDepth + Microkernel::kRows +
        Microkernel::kCols + Microkernel::kPackedSize};
  Microkernel::multiply(m, m, packed, sums, Write::overwrite);
};

/// Splits [0, size) into pieces of equal length, the last of which may be shorter.
struct Cut {
  Index size = 0, piece = 0;

  /// Splits into about `pieces` pieces, whole multiples of `unit`.
  static Cut into(Index pieces, Index size, Index unit) {
    const Index length = (size + pieces - 1) / pieces;
    return {size, (length + unit - 1) / unit * unit};
  }
  Index count() const { return (size + piece - 1) / piece; }
  Index begin(Index i) const { return i * piece; }
  Index length(Index i) const { return std::min(piece, size - begin(i)); }
};

/// The tiles of a result that is not empty, all of about the same size.
template <ProductMicrokernel Microkernel>
class ProductGrid {
 public:
  /// Picks the grid with the least packing among those whose tile count divides evenly among the threads, or is at
  /// least 4 per thread. If deterministic(), assumes a fixed thread count, so that the sizes alone decide: a
  /// microkernel's order of summation may depend on the tile size.
  ProductGrid(Index rows, Index cols) {
    constexpr Index kManyTiles = 4;  // per thread
    constexpr Index kCommonThreads = 4;
    const Index threads = deterministic() ? kCommonThreads : threads_here();
    const Index down = (rows + Microkernel::kTileRows - 1) / Microkernel::kTileRows;
    const Index along = (cols + Microkernel::kTileCols - 1) / Microkernel::kTileCols;
    Index least = std::numeric_limits<Index>::max();
    for (Index i = down; i <= down + threads; ++i) {
      for (Index j = along; j <= along + threads; ++j) {
        const Index laid_out = rows * j + cols * i;  // per step of the inner dimension
        if ((i * j % threads != 0 && i * j < kManyTiles * threads) || laid_out >= least) continue;
        least = laid_out;
        rows_ = Cut::into(i, rows, Microkernel::kRows);
        cols_ = Cut::into(j, cols, Microkernel::kCols);
      }
    }
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
  Cut rows_, cols_;
};

/// c (+)= sums (+ bias), rounded to U.   Overwrites sums (M, N), whose rows lie `pitch` apart.
template <class T, class U>
void write_sums(Acc<T>* sums, Index pitch, Mat<U> c, Write write, ConstVec<T> bias) {
  for (Index i = 0; i < c.rows(); ++i, sums += pitch) {
    U* const out = row(c, i);
    for (Index j = 0; j < bias.size(); ++j) sums[j] += widen(bias[j]);
    if (write == Write::accumulate) {
      for (Index j = 0; j < c.cols(); ++j) sums[j] += widen(out[j]);
    }
    for (Index j = 0; j < c.cols(); ++j) out[j] = narrow<U>(sums[j]);
  }
}

/// Returns the workspace of each thread in bytes, kept from its first product on.
template <ProductMicrokernel Microkernel>
constexpr std::size_t tiled_product_bytes() {
  return Microkernel::kPackedSize * sizeof(typename Microkernel::PackedElement) +
         Microkernel::kTileRows * Microkernel::kTileCols * sizeof(Acc<typename Microkernel::Factor>);
}

/// c (+)= a b (+ bias in each row).   a (M, K), b (K, N), c (M, N) not empty, bias (N) or empty; U is T or Acc<T>.
/// Accumulates in Acc<T> and rounds to U once. Uses all threads, or only the calling one inside a parallel region. If
/// deterministic(), no bit depends on the thread count.
template <ProductMicrokernel Microkernel, class U, class T = typename Microkernel::Factor>
void tiled_product(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  assert(c.size() > 0);
  const ProductGrid<Microkernel> grid(c.rows(), c.cols());
  parallel_each(grid.count(), [&](Index i) {
    auto* const packed = scratch<Microkernel, typename Microkernel::PackedElement>(Microkernel::kPackedSize);
    auto* const sums = scratch<ProductGrid<Microkernel>, Acc<T>>(Microkernel::kTileRows * Microkernel::kTileCols);
    const auto [row, rows, col, cols] = grid[i];
    if (a.cols == 0) std::fill_n(sums, rows * Microkernel::kTileCols, Acc<T>(0));
    for (Index k = 0, depth = 0; k < a.cols; k += depth) {
      depth = std::min(Microkernel::kDepth, a.cols - k);
      Microkernel::multiply(a.part(row, rows, k, depth), b.part(k, depth, col, cols), packed, sums,
                            k == 0 ? Write::overwrite : Write::accumulate);
    }
    write_sums<T, U>(sums, Microkernel::kTileCols, columns(kiln::rows(c, row, rows), col, cols), write,
                     part(bias, col, cols));
  });
}

}  // namespace kiln
