// Multiplies tiles with a library, oneDNN or Eigen, as a microkernel of tiled_product.
#pragma once

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include "kernels/matmul_onednn.h"
#include "kernels/strided.h"
#include <algorithm>
#include <type_traits>

namespace kiln {

/// Whether oneDNN multiplies elements of type W; otherwise Eigen does.
template <class W>
inline constexpr bool kByOneDnn = kHasOneDnn && !std::is_same_v<W, double>;

/// W is T, or Acc<T>: bfloat16 is multiplied in float where CPUs are faster at that. In float, a tile takes 0.4 MB for
/// the left factor, 0.6 for the right one and 0.4 for sums. Eight other sizes, up to twice the rows and depth, were
/// within noise on a Xeon with AVX-512.
template <class T, class W>
struct LibraryMicrokernel {
  using Factor = T;
  using PackedElement = W;

  static constexpr Index kTileRows = 256, kTileCols = 384, kDepth = 384;
  static constexpr Index kRows = 16, kCols = 16;
  static constexpr Index kPackingCost = 24;
  static constexpr bool kInPlace = true, kBitsDependOnTiles = true;
  static_assert(kTileRows % kRows == 0 && kTileCols % kCols == 0);

  static constexpr bool kIsCopied = !std::is_same_v<T, W>;  // otherwise the library reads it in place
  static constexpr Index kLine = 64 / sizeof(W);            // of the cache
  static constexpr Index kLeftSize = kIsCopied ? kTileRows * kDepth + kLine * std::max(kTileRows, kDepth) : 0;
  static constexpr Index kRightSize = kIsCopied ? kTileCols * kDepth + kLine * std::max(kTileCols, kDepth) : 0;
  static constexpr Index kPackedSize = kLeftSize + kRightSize;

  static void multiply(const Strided<T>& a, const Strided<T>& b, W* packed, Acc<T>* sums, Index pitch, Write write) {
    const Strided<W> left = laid_out(a, packed), right = laid_out(b, packed + kLeftSize);
    Mat<Acc<T>> tile(sums, a.rows, b.cols, Eigen::OuterStride<>(pitch));
    if constexpr (kByOneDnn<W>) {
      const SingleThreadScope alone;
      onednn_product<W, Acc<T>>(left, right, tile, write, no_const_vec<W>());
    } else {
      if (write == Write::overwrite) tile.setZero();
      with_view(left, [&](auto l) { with_view(right, [&](auto r) { tile.noalias() += l * r; }); });
    }
  }

 private:
  static Strided<W> laid_out(const Strided<T>& m, [[maybe_unused]] W* out) {
    if constexpr (kIsCopied) {
      return copy(m, out);
    } else {
      return m;
    }
  }

  /// Copies the matrix as W and keeps its order; pads each line to whole cache lines plus one.
  static Strided<W> copy(const Strided<T>& m, W* out) {
    const bool by_row = m.col_stride == 1;
    const Index lines = by_row ? m.rows : m.cols, length = by_row ? m.cols : m.rows;
    const Index from = by_row ? m.row_stride : m.col_stride, to = (length / kLine + 1) * kLine;
    for (Index i = 0; i < lines; ++i) {
      const T* const in = m.data + i * from;
      W* const line = out + i * to;
      for (Index j = 0; j < length; ++j) line[j] = widen(in[j]);
    }
    return {out, m.rows, m.cols, by_row ? to : 1, by_row ? 1 : to};
  }

  /// Calls body with the matrix as one of two types with inner stride 1; Eigen copies any other.
  template <class Body>
  static void with_view(const Strided<W>& m, Body&& body) {
    const auto view = [&]<int Order>(Index stride) {
      using Matrix = Eigen::Matrix<W, Eigen::Dynamic, Eigen::Dynamic, Order>;
      using View = Eigen::Map<const Matrix, Eigen::Unaligned, Eigen::OuterStride<>>;
      body(View(m.data, m.rows, m.cols, Eigen::OuterStride<>(stride)));
    };
    if (m.col_stride == 1) {
      view.template operator()<Eigen::RowMajor>(m.row_stride);
    } else {
      view.template operator()<Eigen::ColMajor>(m.col_stride);
    }
  }
};

}  // namespace kiln
