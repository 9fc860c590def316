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
#include <type_traits>

namespace kiln {

/// A microkernel of a tiled product:
///   Factor, PackedElement          element type of the factors, and of the packed factors
///   kTileRows, kTileCols, kDepth   the largest tile, and the depth (of the inner dimension) that is packed at a time
///   kRows, kCols                   tile sizes are multiples of these, except for the last tiles
///   kPackedSize                    size of both packed factors
///   kPackingCost                   what packing a number costs, in multiply-adds
///   kInPlace                       multiply touches nothing beside a tile's sums; it may then sum in the result itself
///   kBitsDependOnTiles             the order of summation depends on a tile's size
///   multiply(a, b, packed, sums, pitch, write)
///                                  sums, rows `pitch` apart, (+)= a (rows, depth) b (depth, cols), on this thread;
///                                  pitch is kTileCols unless kInPlace
template <class Microkernel>
concept ProductMicrokernel = requires(const Strided<typename Microkernel::Factor>& m,
                                      typename Microkernel::PackedElement* packed,
                                      Acc<typename Microkernel::Factor>* sums) {
  Index{Microkernel::kTileRows + Microkernel::kTileCols + Microkernel::kDepth + Microkernel::kRows +
        Microkernel::kCols + Microkernel::kPackedSize + Microkernel::kPackingCost};
  requires std::is_same_v<decltype(Microkernel::kInPlace && Microkernel::kBitsDependOnTiles), bool>;
  Microkernel::multiply(m, m, packed, sums, Index{}, Write::overwrite);
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
  /// Picks the grid with the least time for the thread with most tiles, and an eighth of a tile for threads that others
  /// hold up. If bits depend on the tiles and deterministic(), assumes a fixed thread count.
  ProductGrid(Index rows, Index cols) {
    constexpr Index kCommonThreads = 4;
    const Index threads = Microkernel::kBitsDependOnTiles && deterministic() ? kCommonThreads : threads_here();
    const Index down = (rows + Microkernel::kTileRows - 1) / Microkernel::kTileRows;
    const Index along = (cols + Microkernel::kTileCols - 1) / Microkernel::kTileCols;
    Index least = std::numeric_limits<Index>::max();
    for (Index i = down; i <= down + threads; ++i) {
      for (Index j = along; j <= along + threads; ++j) {
        const Cut r = Cut::into(i, rows, Microkernel::kRows), c = Cut::into(j, cols, Microkernel::kCols);
        const Index most = (r.count() * c.count() + threads - 1) / threads;
        const Index tile = r.piece * c.piece + Microkernel::kPackingCost * (r.piece + c.piece);
        const Index time = (8 * most + 1) * tile;  // per step of the inner dimension, in eighths of a multiply-add
        if (time >= least) continue;
        least = time;
        rows_ = r;
        cols_ = c;
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

/// Whether the result of type U itself holds a tile's sums; otherwise they have memory of their own.
template <ProductMicrokernel Microkernel, class U>
inline constexpr bool kSumsInPlace = Microkernel::kInPlace&& std::is_same_v<U, Acc<typename Microkernel::Factor>>;

/// Returns the workspace of each thread in bytes, kept from its first product on.
template <ProductMicrokernel Microkernel>
constexpr std::size_t tiled_product_bytes() {
  using T = typename Microkernel::Factor;
  constexpr std::size_t kPacked = Microkernel::kPackedSize * sizeof(typename Microkernel::PackedElement);
  constexpr std::size_t kSums = Microkernel::kTileRows * Microkernel::kTileCols * sizeof(Acc<T>);
  return kSumsInPlace<Microkernel, T> ? kPacked : kPacked + kSums;
}

/// Returns where to sum the tile c.
template <ProductMicrokernel Microkernel, class U, class A = Acc<typename Microkernel::Factor>>
Mat<A> sums_of(Mat<U> c) {
  if constexpr (kSumsInPlace<Microkernel, U>) {
    return c;
  } else {
    constexpr Index kPitch = Microkernel::kTileCols;
    A* const sums = scratch<ProductGrid<Microkernel>, A>(Microkernel::kTileRows * kPitch);
    return {sums, c.rows(), c.cols(), Eigen::OuterStride<>(kPitch)};
  }
}

/// Writes what sums start with: the former c, if the product is added to it, and the bias (N), unless empty. Returns
/// how to write the first product.
template <class T, class U>
Write start_sums(ConstMat<U> c, Write write, ConstVec<T> bias, Mat<Acc<T>> sums) {
  const bool holds_former = static_cast<const void*>(c.data()) == sums.data();
  if (bias.size() == 0 && (write == Write::overwrite || holds_former)) return write;
  for (Index i = 0; i < c.rows(); ++i) {
    const U* const former = row(c, i);
    Acc<T>* const sum = row(sums, i);
    for (Index j = 0; j < c.cols(); ++j) sum[j] = write == Write::accumulate ? widen(former[j]) : Acc<T>(0);
    for (Index j = 0; j < bias.size(); ++j) sum[j] += widen(bias[j]);
  }
  return Write::accumulate;
}

/// c = sums, rounded to U.
template <class A, class U>
void round_sums(ConstMat<A> sums, Mat<U> c) {
  for (Index i = 0; i < c.rows(); ++i) {
    const A* const sum = row(sums, i);
    U* const out = row(c, i);
    for (Index j = 0; j < c.cols(); ++j) out[j] = narrow<U>(sum[j]);
  }
}

/// c (+)= a b (+ bias in each row).   a (M, K), b (K, N), c (M, N) not empty, bias (N) or empty; U is T or Acc<T>.
/// Accumulates in Acc<T> and rounds to U once. Uses all threads, or only the calling one inside a parallel region. No
/// bit depends on the thread count, unless Microkernel::kBitsDependOnTiles and not deterministic().
template <ProductMicrokernel Microkernel, class U, class T = typename Microkernel::Factor>
void tiled_product(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  assert(c.size() > 0);
  const ProductGrid<Microkernel> grid(c.rows(), c.cols());
  parallel_each(grid.count(), [&](Index i) {
    auto* const packed = scratch<Microkernel, typename Microkernel::PackedElement>(Microkernel::kPackedSize);
    const auto [row, rows, col, cols] = grid[i];
    const Mat<U> tile = columns(kiln::rows(c, row, rows), col, cols);
    Mat<Acc<T>> sums = sums_of<Microkernel>(tile);
    const Write first = start_sums<T, U>(as_const(tile), write, part(bias, col, cols), sums);
    if (a.cols == 0 && first == Write::overwrite) sums.setZero();
    for (Index k = 0, depth = 0; k < a.cols; k += depth) {
      depth = std::min(Microkernel::kDepth, a.cols - k);
      Microkernel::multiply(a.part(row, rows, k, depth), b.part(k, depth, col, cols), packed, sums.data(),
                            sums.outerStride(), k == 0 ? first : Write::accumulate);
    }
    if constexpr (!kSumsInPlace<Microkernel, U>) round_sums(as_const(sums), tile);
  });
}

}  // namespace kiln
