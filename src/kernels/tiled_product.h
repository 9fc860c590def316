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
///   kRows, kCols                   size of a block of sums, the least that is computed
///   kRowUnit                       tiles have multiples of this and of kCols, except for the last ones
///   kPackedSize                    size of both packed factors
///   kPackingCost                   what packing a number costs, in multiply-adds
///   kInPlace                       multiply touches nothing beside a tile's sums; it may then sum in the result itself
///   multiply(a, b, packed, sums, pitch, write, next, finish)
///                                  sums, rows `pitch` apart, (+)= a (rows, depth) b (depth, cols), on this thread;
///                                  may prefetch `next`, the part of b that it will
///                                  multiply next; pitch is kTileCols unless kInPlace; calls
///                                  finish(row, rows) for each panel of rows, while caches hold its sums
///   round(sums, out, count)        out = sums, rounded to the factors' type
/// The order of summation does not depend on a tile's size or place.
template <class Microkernel>
concept ProductMicrokernel = requires(const Strided<typename Microkernel::Factor>& m,
                                      typename Microkernel::PackedElement* packed,
                                      Acc<typename Microkernel::Factor>* sums) {
  Index{Microkernel::kTileRows + Microkernel::kTileCols + Microkernel::kDepth + Microkernel::kRows +
        Microkernel::kRowUnit + Microkernel::kCols + Microkernel::kPackedSize + Microkernel::kPackingCost};
  requires std::is_same_v<decltype(Microkernel::kInPlace), const bool>;
  Microkernel::multiply(m, m, packed, sums, Index{}, Write::overwrite, m, [](Index, Index) {});
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
  /// Picks the grid with the least time for the thread with most tiles, and a little for threads that others hold up.
  /// Prefers rows for each thread: threads that write side by side slow each other by up to a fifth, because their
  /// caches prefetch what the other writes (measured on virtual cores that share no L3 cache).
  ProductGrid(Index rows, Index cols) {
    const Index workers = threads();
    const Index down = (rows + Microkernel::kTileRows - 1) / Microkernel::kTileRows;
    const Index along = (cols + Microkernel::kTileCols - 1) / Microkernel::kTileCols;
    Index least = std::numeric_limits<Index>::max();
    for (Index i = down; i <= down + workers; ++i) {
      for (Index j = along; j <= along + workers; ++j) {
        const Cut r = Cut::into(i, rows, Microkernel::kRowUnit), c = Cut::into(j, cols, Microkernel::kCols);
        const Index most = (r.count() * c.count() + workers - 1) / workers;
        const Index tile = r.piece * c.piece + Microkernel::kPackingCost * (r.piece + c.piece);
        Index time = (32 * most + 1) * tile;        // per step of the inner dimension, in 32nds of a multiply-add
        if (r.count() < workers) time += time / 8;  // for threads side by side
        if (time >= least) continue;
        least = time;
        rows_ = r;
        cols_ = c;
      }
    }
  }

  Index count() const { return rows_.count() * cols_.count(); }

  /// Tiles are numbered row by row.
  struct Tile {
    Index row, rows, col, cols;
  };
  Tile operator[](Index i) const {
    const Index row = i / cols_.count(), col = i % cols_.count();
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

/// Sets sums that are not in c to what they start with: the former c, if the product is added to it. Returns how to
/// write the first product.
template <class T, class U>
Write start_sums(ConstMat<U> c, Write write, Mat<Acc<T>> sums) {
  if (write == Write::overwrite || static_cast<const void*>(c.data()) == sums.data()) return write;
  for (Index i = 0; i < c.rows(); ++i) {
    const U* const former = row(c, i);
    Acc<T>* const sum = row(sums, i);
    for (Index j = 0; j < c.cols(); ++j) sum[j] = widen(former[j]);
  }
  return Write::accumulate;
}

/// c = sums + bias in each row, rounded to U; the bias may be empty, and the sums may be c.
template <ProductMicrokernel Microkernel, class U, class T = typename Microkernel::Factor>
void finish_sums(Mat<Acc<T>> sums, ConstVec<T> bias, Mat<U> c) {
  for (Index i = 0; i < c.rows(); ++i) {
    Acc<T>* const sum = row(sums, i);
    for (Index j = 0; j < bias.size(); ++j) sum[j] += widen(bias[j]);
    if constexpr (!std::is_same_v<U, Acc<T>>) {
      Microkernel::round(sum, row(c, i), c.cols());
    } else if (sum != row(c, i)) {
      std::copy_n(sum, c.cols(), row(c, i));
    }
  }
}

/// c (+)= a b (+ bias in each row).   a (M, K), b (K, N), c (M, N) not empty, bias (N) or empty; U is T or Acc<T>.
/// Accumulates in Acc<T> and rounds to U once. Uses all threads, or only the calling one inside a parallel region. No
/// bit depends on the thread count.
template <ProductMicrokernel Microkernel, class U, class T = typename Microkernel::Factor>
void tiled_product(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  assert(c.size() > 0);
  const ProductGrid<Microkernel> grid(c.rows(), c.cols());
  parallel_each(grid.count(), [&](Index i) {
    auto* const packed = scratch<Microkernel, typename Microkernel::PackedElement>(Microkernel::kPackedSize);
    const auto [row, rows, col, cols] = grid[i];
    const auto next_tile = grid[std::min(i + 1, grid.count() - 1)];
    const Mat<U> tile = columns(kiln::rows(c, row, rows), col, cols);
    Mat<Acc<T>> sums = sums_of<Microkernel>(tile);
    const ConstVec<T> tile_bias = part(bias, col, cols);
    const Write first = start_sums<T, U>(as_const(tile), write, sums);
    if (a.cols == 0) {
      if (first == Write::overwrite) sums.setZero();
      finish_sums<Microkernel, U>(sums, tile_bias, tile);
    }
    for (Index k = 0, depth = 0; k < a.cols; k += depth) {
      depth = std::min(Microkernel::kDepth, a.cols - k);
      const auto finish = [&](Index begin, Index count) {
        if (k + depth < a.cols) return;
        finish_sums<Microkernel, U>(kiln::rows(sums, begin, count), tile_bias, kiln::rows(tile, begin, count));
      };
      const Index rest = a.cols - k - depth;
      const auto next = rest > 0 ? b.part(k + depth, std::min(Microkernel::kDepth, rest), col, cols)
                                 : b.part(0, std::min(Microkernel::kDepth, a.cols), next_tile.col, next_tile.cols);
      Microkernel::multiply(a.part(row, rows, k, depth), b.part(k, depth, col, cols), packed, sums.data(),
                            sums.outerStride(), k == 0 ? first : Write::accumulate, next, finish);
    }
  });
}

}  // namespace kiln
