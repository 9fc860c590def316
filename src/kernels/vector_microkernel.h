// Multiplies tiles in vector registers, as a microkernel of tiled_product.
#pragma once

#include "kernels/packing.h"
#include "kernels/tiled_product.h"
#include <algorithm>
#include <cstddef>
#include <utility>

namespace kiln {

/// Block: VectorBlock or another with the same members. A word is what a lane multiplies at once: Block::kPerWord
/// numbers that are neighbours in the depth. The right tile is packed in panels of kCols columns for the L2 cache, if
/// possible while its first product reads it; the left one is read in place, or packed in panels of kRows rows for the
/// L1 cache. Each sum adds up the depth in order, kDepth numbers in a register at a time, whatever tile it belongs to.
template <class T, class Block, Index TileRows = 768 / Block::kRows* Block::kRows, Index TileCols = Block::kTileCols,
          Index Words = 256>
struct VectorMicrokernel {
  using Factor = T;
  using PackedElement = typename Block::Word;

  static constexpr Index kPerWord = Block::kPerWord;
  static constexpr Index kTileRows = TileRows, kTileCols = TileCols, kDepth = Words * kPerWord;
  static constexpr Index kRows = Block::kRows, kCols = Block::kCols;
  static constexpr Index kRowUnit = 2, kPackingCost = 12;
  static constexpr bool kInPlace = true;
  static constexpr Index kLine = 64 / sizeof(PackedElement);  // of the cache; keeps panels out of each other's sets
  static constexpr Index kPitch = Words + kLine;              // of a left panel's rows
  static constexpr Index kRightPanel = kCols * Words + kLine;
  static constexpr Index kRightSize = kTileCols / kCols * kRightPanel, kPackedSize = kRightSize + kRows * kPitch;
  static_assert(kTileRows % kRows == 0 && kTileCols % kCols == 0 && kRows % 2 == 0);

  template <class Finish>
  static void multiply(const Strided<T>& a, const Strided<T>& b, PackedElement* packed, Acc<T>* sums, Index pitch,
                       Write write, const Strided<T>& next, Finish&& finish) {
    const bool is_read_along = b.col_stride == 1 && b.rows % kPerWord == 0;
    const Index unpacked = is_read_along ? b.cols / kCols * kCols : 0;  // columns that the first panel's product packs
    pack_right(b.part(0, b.rows, unpacked, b.cols - unpacked), packed + unpacked / kCols * kRightPanel);
    const Task task{a, b, next, unpacked, packed, sums, pitch, write};
    for (Index row = 0; row < a.rows; row += kRows) {
      multiply_panel(task, row);
      finish(row, std::min(kRows, a.rows - row));
    }
  }

  static void round(const Acc<T>* sums, T* out, Index count) { Block::template round<T>(sums, out, count); }

 private:
  static constexpr Index kNumberBytes = sizeof(T), kWordBytes = sizeof(PackedElement);
  static constexpr bool kHoldsWords = kPerWord * kNumberBytes == kWordBytes;  // in memory, if lines lie along the depth

  static void pack_right(const Strided<T>& b, PackedElement* out) {
    for (Index j = 0; j < b.cols; j += kCols, out += kRightPanel) {
      const Index cols = std::min(kCols, b.cols - j);
      if (b.col_stride == 1) {
        Block::template interleave<kCols>(b.data + j, b.row_stride, cols, b.rows, out);
      } else {
        Block::template transpose<kCols>(b.data + j * b.col_stride, b.col_stride, cols, b.rows, out);
      }
    }
  }

  /// Returns whether lines at this distance, in bytes, all fall into one set of the L1 cache.
  static bool collide(Index distance) { return distance % 4096 == 0; }

  /// Returns the words of a panel's rows, in place or packed. Blocks read one row more than an odd number of them,
  /// which may not exist; packed, it holds arbitrary words.
  static WordsOfRows words_of(const Strided<T>& rows, PackedElement* out) {
    const bool may_stay = kHoldsWords && rows.rows % 2 == 0 && rows.cols % kPerWord == 0;
    const auto here = reinterpret_cast<const std::byte*>(rows.data), packed = reinterpret_cast<const std::byte*>(out);
    if (rows.col_stride == 1) {
      const Index distance = rows.row_stride * kNumberBytes;
      if (may_stay && !collide(distance)) return {here, distance, kWordBytes};
      Block::lay_out(rows.data, rows.row_stride, rows.rows, rows.cols, out, kPitch);
      return {packed, kPitch * kWordBytes, kWordBytes};
    }
    constexpr bool kFillsLines = kRows * kNumberBytes > 32;  // most of a cache line of 64 bytes
    const Index distance = rows.col_stride * kNumberBytes;
    if (may_stay && kPerWord == 1 && kFillsLines && !collide(distance)) return {here, kWordBytes, distance};
    Block::template interleave<kRows>(rows.data, rows.col_stride, rows.rows, rows.cols, out);
    return {packed, kWordBytes, kRows * kWordBytes};
  }

  /// The arguments of multiply, and how many columns of b are not packed yet.
  struct Task {
    Strided<T> a, b, next;
    Index unpacked;
    PackedElement* packed;
    Acc<T>* sums;
    Index pitch;
    Write write;
  };

  static Index count_panels(Index size, Index panel) { return (size + panel - 1) / panel; }

  /// Returns what a block of the panel at `row` prefetches: a row of the panel below or a stretch of its depth, and a
  /// share of `next`.
  static LinesAhead lines_ahead(const Task& task, Index row, Index col) {
    const Index i = col / kCols, block = row / kRows * count_panels(task.b.cols, kCols) + i;
    const Strided<T>& a = task.a;
    const T* const below = a.data + (row + kRows) * a.row_stride;
    if (a.col_stride == 1) return {{below + i * a.row_stride, 64}, share_of(task.next, block)};
    const Index words = LinesAhead::kWords * kPerWord;
    return {{below + i * words * a.col_stride, a.col_stride * kNumberBytes}, share_of(task.next, block)};
  }

  static LinesAhead::Run share_of(const Strided<T>& next, Index block) {
    constexpr Index kLineNumbers = 64 / kNumberBytes;
    if (next.col_stride != 1) return {next.data + std::min(block, next.cols - 1) * next.col_stride, 64};
    const Index lines = count_panels(next.cols, kLineNumbers), row = block / lines * LinesAhead::kWords;
    if (row >= next.rows) return {next.data, 0};
    return {next.data + row * next.row_stride + block % lines * kLineNumbers, next.row_stride * kNumberBytes};
  }

  /// Multiplies the panel of rows at `row` by all panels of the right tile. The first one packs them.
  static void multiply_panel(const Task& task, Index row) {
    const Index rows = std::min(kRows, task.a.rows - row), unpacked = row == 0 ? task.unpacked : 0;
    const WordsOfRows left = words_of(task.a.part(row, rows, 0, task.a.cols), task.packed + kRightSize);
    const auto with_rows = [&]<Index R>() {
      for (Index col = 0; col < task.b.cols; col += kCols) {
        const Index cols = std::min(kCols, task.b.cols - col);
        const LinesAhead ahead = lines_ahead(task, row, col);
        Acc<T>* const sums = task.sums + row * task.pitch + col;
        if (R == rows && cols == kCols) {
          multiply_block<R>(task, left, ahead, col, col < unpacked, sums, task.pitch, task.write);
        } else {
          alignas(64) Acc<T> block[R * kCols];
          multiply_block<R>(task, left, ahead, col, col < unpacked, block, kCols, Write::overwrite);
          write_part(block, rows, cols, sums, task.pitch, task.write);
        }
      }
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {  // R: the least even number that is not less than `rows`
      (((rows + 1) / 2 == Index{I} + 1 ? with_rows.template operator()<2 * (Index{I} + 1)>() : void()), ...);
    }
    (std::make_index_sequence<kRows / 2>());
  }

  /// Computes a block of R rows and up to kCols columns from `col`. Reads R rows, of which the last may be missing.
  template <Index R>
  static void multiply_block(const Task& task, WordsOfRows left, LinesAhead ahead, Index col, bool packs, Acc<T>* sums,
                             Index pitch, Write write) {
    using Packed = typename Block::Packed;
    using ToPack = typename Block::template ToPack<T>;
    constexpr Index kAll = Block::kVectors, kHalf = (kAll + 1) / 2;
    const Strided<T>& b = task.b;
    const Index words = (b.rows + kPerWord - 1) / kPerWord;
    PackedElement* const panel = task.packed + col / kCols * kRightPanel;
    if (packs) {
      const ToPack columns{b.data + col, b.row_stride, panel};
      Block::template multiply<R, kAll>(left, ahead, columns, words, sums, pitch, write);
    } else if (b.cols - col > kCols / 2) {
      Block::template multiply<R, kAll>(left, ahead, Packed{panel}, words, sums, pitch, write);
    } else {
      Block::template multiply<R, kHalf>(left, ahead, Packed{panel}, words, sums, pitch, write);
    }
  }

  /// sums (+)= the first rows and columns of a block.
  static void write_part(const Acc<T>* block, Index rows, Index cols, Acc<T>* sums, Index pitch, Write write) {
    for (Index i = 0; i < rows; ++i, sums += pitch, block += kCols) {
      for (Index j = 0; j < cols; ++j) sums[j] = write == Write::accumulate ? sums[j] + block[j] : block[j];
    }
  }
};

}  // namespace kiln
