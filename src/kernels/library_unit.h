// A unit of tiled_product: a library multiplies, oneDNN or Eigen.
#pragma once

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include "kernels/matmul_onednn.h"
#include "kernels/strided.h"
#include <algorithm>
#include <type_traits>

namespace kiln {

/// Whether oneDNN multiplies what is of type W; Eigen does where it does not.
template <class W>
inline constexpr bool kByOneDnn = kHasOneDnn && !std::is_same_v<W, double>;

/// Words are of T, or of Acc<T>: bfloat16 is multiplied in float where processors are faster at it. A tile and a
/// stretch of floats take 0.4 MB for the left factor, 0.6 for the right one and 0.4 for sums. Measured on a Xeon with
/// AVX-512: eight sizes, of up to twice as many rows and as deep, are all within the noise of each other.
template <class T, class W>
struct LibraryUnit {
  using Factor = T;
  using Word = W;

  static constexpr Index kTileRows = 256, kTileCols = 384, kDepth = 384;
  static constexpr Index kRows = 16, kCols = 16;
  static_assert(kTileRows % kRows == 0 && kTileCols % kCols == 0);

  static constexpr bool kIsCopied = !std::is_same_v<T, W>;  // else a library reads it where it lies
  static constexpr Index kLine = 64 / sizeof(W);            // of the cache
  static constexpr Index kLeftWords = kIsCopied ? kTileRows * kDepth + kLine * std::max(kTileRows, kDepth) : 0;
  static constexpr Index kRightWords = kIsCopied ? kTileCols * kDepth + kLine * std::max(kTileCols, kDepth) : 0;
  static constexpr Index kWords = kLeftWords + kRightWords;

  static void multiply(const Strided<T>& a, const Strided<T>& b, W* words, Acc<T>* sums, Write write) {
    const Strided<W> left = laid_out(a, words), right = laid_out(b, words + kLeftWords);
    Mat<Acc<T>> tile(sums, a.rows, b.cols, Eigen::OuterStride<>(kTileCols));
    if constexpr (kByOneDnn<W>) {
      const OneThread alone;
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

  /// The matrix in words, its lines as they lie, each in whole lines of the cache and one more.
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

  /// body(the matrix), in the one of two types whose inner stride is known to be 1: of any other Eigen makes a copy.
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
