// Multiplies tiles of floats in vector registers, as a microkernel of tiled_product.
#pragma once

#include "kiln/tensor/convert.h"

#include "kernels/tiled_product.h"
#include <algorithm>

namespace kiln {

/// Block: Avx2Block or another with the same members. The left tile is packed in panels of kRows rows, 400 KB for the
/// L2 cache. The right one is packed a panel of kCols columns at a time, 16 KB for the L1 cache, just before its use.
/// Each sum adds up the depth in order, kDepth numbers in a register at a time, whatever tile it belongs to.
template <class T, class Block, Index TileRows = 384, Index TileCols = 768, Index Depth = 256>
struct VectorMicrokernel {
  using Factor = T;
  using PackedElement = float;

  static constexpr Index kTileRows = TileRows, kTileCols = TileCols, kDepth = Depth;
  static constexpr Index kRows = Block::kRows, kCols = Block::kCols;
  static constexpr Index kPackingCost = 24;
  static constexpr bool kInPlace = true, kBitsDependOnTiles = false;
  static constexpr Index kLine = 16;  // floats; keeps panels out of each other's cache sets
  static constexpr Index kLeftPanel = kRows * kDepth + kLine, kLeftSize = kTileRows / kRows * kLeftPanel;
  static constexpr Index kPackedSize = kLeftSize + kCols * kDepth + kLine;
  static_assert(kTileRows % kRows == 0 && kTileCols % kCols == 0);

  static void multiply(const Strided<T>& a, const Strided<T>& b, float* packed, float* sums, Index pitch, Write write) {
    float* const right = packed + kLeftSize;
    const Strided<T> columns{b.data, b.cols, b.rows, b.col_stride, b.row_stride};  // as lines
    pack_left(a, packed);
    for (Index j = 0; j < b.cols; j += kCols) {
      const Index cols = std::min(kCols, b.cols - j);
      pack<kCols>(columns.part(j, cols, 0, b.rows), right);
      const float* left = packed;
      for (Index i = 0; i < a.rows; i += kRows, left += kLeftPanel) {
        multiply_block(left, right, a.cols, sums + i * pitch + j, pitch, std::min(kRows, a.rows - i), cols, write);
      }
    }
  }

 private:
  static void pack_left(const Strided<T>& a, float* out) {
    const Index step = a.row_stride == 1 ? 16 : kDepth;  // in memory order, where steps may lie whole pages apart
    for (Index k = 0; k < a.cols; k += step) {
      for (Index i = 0; i < a.rows; i += kRows) {
        pack<kRows>(a.part(i, std::min(kRows, a.rows - i), k, std::min(step, a.cols - k)),
                    out + i / kRows * kLeftPanel + k * kRows);
      }
    }
  }

  /// Packs lines (at most Lines, depth) side by side: element k of line l goes to out[k * Lines + l]. The lanes of
  /// missing lines hold arbitrary numbers, which reach no sum that is kept.
  template <Index Lines>
  static void pack(const Strided<T>& lines, float* out) {
    Index whole = 0;  // depth packed in vectors
    if (lines.row_stride != 1) {
      whole = lines.cols / Block::kLanes * Block::kLanes;
      Block::template transpose<Lines>(lines.data, lines.row_stride, lines.rows, whole, out);
    } else if (lines.rows == Lines) {
      whole = lines.cols;
      Block::template copy<Lines>(lines.data, lines.col_stride, whole, out);
    }
    for (Index k = whole; k < lines.cols; ++k) {
      for (Index l = 0; l < lines.rows; ++l) {
        out[k * Lines + l] = widen(lines.data[l * lines.row_stride + k * lines.col_stride]);
      }
    }
  }

  /// Computes the block's first rows and columns of sums.
  static void multiply_block(const float* left, const float* right, Index depth, float* sums, Index pitch, Index rows,
                             Index cols, Write write) {
    constexpr Index kAll = Block::kVectors, kHalf = kAll / 2;
    if (rows == kRows && cols == kCols) return Block::template multiply<kAll>(left, right, depth, sums, pitch, write);
    alignas(64) float block[kRows * kCols];
    cols <= kCols / 2 ? Block::template multiply<kHalf>(left, right, depth, block, kCols, Write::overwrite)
                      : Block::template multiply<kAll>(left, right, depth, block, kCols, Write::overwrite);
    for (Index i = 0; i < rows; ++i, sums += pitch) {
      for (Index j = 0; j < cols; ++j) {
        sums[j] = write == Write::accumulate ? sums[j] + block[i * kCols + j] : block[i * kCols + j];
      }
    }
  }
};

}  // namespace kiln
