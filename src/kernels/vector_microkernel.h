// Multiplies tiles of floats in vector registers, as a microkernel of tiled_product.
#pragma once

#include "kiln/tensor/convert.h"

#include "kernels/tiled_product.h"
#include <algorithm>

namespace kiln {

/// Block: Avx2Block or another with the same members. The left tile is packed in panels of kRows rows, 400 KB for the
/// L2 cache; the right one in panels of kCols columns, 16 KB for the L1 cache, just before their use. Each sum adds up
/// the depth in order, kDepth numbers in a register at a time, whatever tile it belongs to.
template <class T, class Block, Index TileRows = 384, Index TileCols = 768, Index Depth = 256>
struct VectorMicrokernel {
  using Factor = T;
  using PackedElement = float;

  static constexpr Index kTileRows = TileRows, kTileCols = TileCols, kDepth = Depth;
  static constexpr Index kRows = Block::kRows, kCols = Block::kCols;
  static constexpr Index kPackingCost = 24;
  static constexpr bool kInPlace = true, kBitsDependOnTiles = false;
  static constexpr Index kPanels = 4;  // packed at once if neighbours in memory: whole cache lines of a row, in order
  static constexpr Index kLine = 16;   // floats; keeps panels out of each other's cache sets
  static constexpr Index kLeftPanel = kRows * kDepth + kLine, kRightPanel = kCols * kDepth + kLine;
  static constexpr Index kLeftSize = kTileRows / kRows * kLeftPanel, kPackedSize = kLeftSize + kPanels * kRightPanel;
  static_assert(kTileRows % kRows == 0 && kTileCols % kCols == 0);

  static void multiply(const Strided<T>& a, const Strided<T>& b, float* packed, float* sums, Index pitch, Write write) {
    float* const right = packed + kLeftSize;
    const Strided<T> columns{b.data, b.cols, b.rows, b.col_stride, b.row_stride};  // as lines
    const Index strip = (b.col_stride == 1 ? kPanels : 1) * kCols;
    pack<kRows, kLeftPanel>(a, packed);
    for (Index begin = 0; begin < b.cols; begin += strip) {
      const Index end = std::min(b.cols, begin + strip);
      pack<kCols, kRightPanel>(columns.part(begin, end - begin, 0, b.rows), right);
      const float* panel = right;
      for (Index j = begin; j < end; j += kCols, panel += kRightPanel) {
        const float* left = packed;
        for (Index i = 0; i < a.rows; i += kRows, left += kLeftPanel) {
          multiply_block(left, panel, a.cols, sums + i * pitch + j, pitch, std::min(kRows, a.rows - i),
                         std::min(kCols, end - j), write);
        }
      }
    }
  }

 private:
  /// Packs lines (count, depth) in panels, Size apart, of Lines lines side by side: element k of line l of a panel goes
  /// to [k * Lines + l]. The lanes of missing lines hold arbitrary numbers, which reach no sum that is kept.
  template <Index Lines, Index Size>
  static void pack(const Strided<T>& lines, float* out) {
    Index packed = 0, depth = 0;  // lines packed in vectors, and depth of the others
    if (lines.row_stride == 1) {
      packed = lines.rows / Lines * Lines;
      Block::template copy<Lines>(lines.data, lines.col_stride, lines.cols, packed / Lines, out, Size);
    } else {
      depth = lines.cols / Block::kLanes * Block::kLanes;
    }
    for (; packed < lines.rows; packed += Lines) {
      const Strided<T> part = lines.part(packed, std::min(Lines, lines.rows - packed), 0, lines.cols);
      float* const panel = out + packed / Lines * Size;
      if (depth > 0) Block::template transpose<Lines>(part.data, part.row_stride, part.rows, depth, panel);
      for (Index k = depth; k < part.cols; ++k) {
        for (Index l = 0; l < part.rows; ++l) {
          panel[k * Lines + l] = widen(part.data[l * part.row_stride + k * part.col_stride]);
        }
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
