// A unit of tiled_product: factors are copied to where they lie close together, and a library multiplies the copies.
#pragma once

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include "kernels/matmul_onednn.h"
#include "kernels/strided.h"
#include <algorithm>

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
  static constexpr Index kLine = 64 / sizeof(W);  // of the cache
  static constexpr Index kRows = 16, kCols = 16;
  static constexpr bool kIsCopied = !(kByOneDnn<W> && std::is_same_v<T, W>);
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
      tile.noalias() += view(left) * view(right);
    }
  }

 private:
  /// The matrix in words. oneDNN gets what it multiplies as it is where it lies: it lays factors out itself.
  static Strided<W> laid_out(const Strided<T>& m, [[maybe_unused]] W* out) {
    if constexpr (kIsCopied) {
      return copy(m, out);
    } else {
      return m;
    }
  }

  /// Its lines as they lie, each in whole lines of the cache and one more.
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

  static auto view(const Strided<W>& m) {
    using Stride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
    using View = Eigen::Map<const RowMajor<W>, Eigen::Unaligned, Stride>;
    return View(m.data, m.rows, m.cols, Stride(m.row_stride, m.col_stride));
  }
};

}  // namespace kiln
