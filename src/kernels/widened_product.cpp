// Tiles of the result, each by one thread: stretches of the factors are laid out for the innermost loop, which then
// reads both in order (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
#include "kernels/widened_product.h"

#include "kiln/core/threads.h"
#include "kiln/kernels/product_tiles.h"
#include "kiln/tensor/convert.h"

#include "kernels/multiply_block.h"
#include "kernels/scratch.h"
#include "kernels/with_rows.h"
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <iterator>

// GCC warns that vector types lose their alignment attribute as template arguments; Eigen's packets do not rely on it.
#pragma GCC diagnostic ignored "-Wignored-attributes"

namespace kiln {
namespace {

using tile::kLanes, tile::Left, tile::padded;

namespace simd = Eigen::internal;
using P = tile::Packet<float>;
using Bits = simd::unpacket_traits<P>::integer_packet;

constexpr Index kLane = kLanes<float>;
/// The block of sums that stays in registers.
constexpr Index kRows = tile::kHasManyRegisters ? 12 : 6, kVectors = 2, kCols = kVectors * kLane;
/// A tile, and the stretch of the inner dimension that is laid out at a time: 420 to 540 KB of the left
/// factor, 590 of the right and 410 of sums, for a second-level cache of a megabyte or two. Measured on a Xeon with
/// AVX-512, within 5% of the best of nine sizes.
constexpr Index kTileRows = 264, kTileCols = 384, kDepth = 384;
constexpr Index kManyTiles = 4;  // a thread: shares that differ by a tile are about equal
static_assert(kTileRows % kRows == 0 && kTileCols % kCols == 0 && kDepth % (2 * kLane) == 0);

/// The left factor lies row by row, `kRowPitch` apart, or, where it is read across, in panels of kRows rows: a line of
/// kPanelPitch for each step of the depth.
constexpr Index kRowPitch = kDepth + kLane, kPanelPitch = padded<float>(kRows);
constexpr Index kLeftSize = std::max(kTileRows * kRowPitch, kTileRows / kRows * kDepth * kPanelPitch);
constexpr Index kRightSize = kDepth * kTileCols, kSumsSize = kTileRows * kTileCols;

/// The tiles of a result, of about the same size.
class Grid {
 public:
  /// The largest tiles there may be, and smaller ones where threads would go without or have unequal shares.
  Grid(Index rows, Index cols) {
    const Index threads = threads_here();
    Index down = (rows + kTileRows - 1) / kTileRows, along = (cols + kTileCols - 1) / kTileCols;
    while (down * along % threads != 0 && down * along < kManyTiles * threads) {
      (rows * along > cols * down ? down : along) += 1;
    }
    rows_ = Cut::into(down, rows, kRows);
    cols_ = Cut::into(along, cols, kCols);
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

/// `Count` neighbours, a number that compilers turn into whole vectors.
template <Index Count>
void widen_run(const bfloat16* in, float* out) {
  for (Index i = 0; i < Count; ++i) out[i] = widen(in[i]);
}

/// A part of `count` neighbours, filled up with zeros.
template <Index Count>
void widen_run(const bfloat16* in, Index count, float* out) {
  if (count >= Count) return widen_run<Count>(in, out);
  for (Index i = 0; i < Count; ++i) out[i] = i < count ? widen(in[i]) : 0.0f;
}

/// The left factor as it lies, row by row.
void lay_out_rows(const Strided<bfloat16>& a, float* out) {
  for (Index i = 0; i < a.rows; ++i) {
    const bfloat16* in = a.data + i * a.row_stride;
    for (Index k = 0; k < a.cols; k += kLane) widen_run<kLane>(in + k, a.cols - k, out + i * kRowPitch + k);
  }
}

/// Neighbours at each step of the depth, whose steps lie `stride` apart, in panels of `Width` of them: panel p has
/// element (k, j) at out[(p * kDepth + k) * Pitch + j].
template <Index Width, Index Pitch>
void lay_out_panels(const bfloat16* data, Index stride, Index depth, Index width, float* out) {
  for (Index j = 0; j < width; j += Width, out += kDepth * Pitch) {
    for (Index k = 0; k < depth; ++k) widen_run<Pitch>(data + k * stride + j, width - j, out + k * Pitch);
  }
}

/// The right factor where it lies across, (K, N) with neighbours along its depth, in the same panels of kCols.
/// Neighbours are transposed in pairs, as the words that they are in memory, and parted after that.
void lay_out_across(const Strided<bfloat16>& b, float* out) {
  static_assert(std::endian::native == std::endian::little);
  constexpr Index kNeighbours = 2 * kLane;
  const Bits high = simd::pset1<Bits>(static_cast<std::int32_t>(0xffff0000u));
  for (Index j = 0; j < b.cols; j += kLane) {
    float* const panel = out + j / kCols * kCols * kDepth + j % kCols;
    for (Index k = 0; k < b.rows; k += kNeighbours) {
      simd::PacketBlock<P, kLane> block;
      for (Index q = 0; q < kLane; ++q) {
        const bfloat16* const in = b.data + (j + q) * b.col_stride + k;
        const Index count = j + q < b.cols ? b.rows - k : 0;
        bfloat16 line[kNeighbours];
        if (count >= kNeighbours) {
          std::memcpy(line, in, sizeof(line));
        } else {
          std::fill(std::copy_n(in, count, line), std::end(line), bfloat16(0));
        }
        block.packet[q] = std::bit_cast<P>(line);
      }
      simd::ptranspose(block);
      for (Index q = 0; q < kLane; ++q) {
        const Bits words = simd::preinterpret<Bits>(block.packet[q]);
        simd::pstoreu(panel + (k + 2 * q) * kCols, simd::preinterpret<P>(simd::plogical_shift_left<16>(words)));
        simd::pstoreu(panel + (k + 2 * q + 1) * kCols, simd::preinterpret<P>(simd::pand(words, high)));
      }
    }
  }
}

void lay_out_right(const Strided<bfloat16>& b, float* out) {
  if (b.col_stride == 1) {
    lay_out_panels<kCols, kCols>(b.data, b.row_stride, b.rows, b.cols, out);
  } else {
    lay_out_across(b, out);
  }
}

/// R rows and kCols columns of a tile's sums. Not inlined, so that its registers are its own.
template <Index R, Index Row, Index Step>
[[gnu::noinline]] void multiply_rows(const float* left, const float* right, Index depth, float* sums, bool accumulate) {
  tile::multiply_block<R, kVectors>(Left<float>{left, Row, Step}, right, kCols, sums, kTileCols, depth, accumulate);
}

/// sums (rows, cols) (+)= left right. Of kRows rows of the left factor after the other, Block apart, element (i, k)
/// lies at i * Row + k * Step.
template <Index Block, Index Row, Index Step>
void multiply_stretch(const float* left, const float* right, Index rows, Index cols, Index depth, float* sums,
                      bool accumulate) {
  for (Index i = 0; i < rows; i += kRows, left += Block) {
    with_rows<kRows>(std::min(kRows, rows - i), [&]<Index R>() {
      for (Index j = 0; j < cols; j += kCols) {
        multiply_rows<R, Row, Step>(left, right + j * kDepth, depth, sums + i * kTileCols + j, accumulate);
      }
    });
  }
}

/// sums = a b, a tile of a product.
void multiply_tile(const Strided<bfloat16>& a, const Strided<bfloat16>& b, float* left, float* right, float* sums) {
  Index k = 0;
  do {  // once at least: an empty sum is 0
    const Index depth = std::min(kDepth, a.cols - k);
    const Strided<bfloat16> part = a.part(0, a.rows, k, depth);
    lay_out_right(b.part(k, depth, 0, b.cols), right);
    if (part.col_stride == 1) {
      lay_out_rows(part, left);
      multiply_stretch<kRows * kRowPitch, kRowPitch, 1>(left, right, a.rows, b.cols, depth, sums, k > 0);
    } else {
      lay_out_panels<kRows, kPanelPitch>(part.data, part.col_stride, depth, part.rows, left);
      multiply_stretch<kDepth * kPanelPitch, 1, kPanelPitch>(left, right, a.rows, b.cols, depth, sums, k > 0);
    }
    k += depth;
  } while (k < a.cols);
}

/// c (+)= sums (+ bias), rounded to U.
template <class U>
void write_tile(float* sums, Mat<U> c, Write write, ConstVec<bfloat16> bias) {
  for (Index i = 0; i < c.rows(); ++i, sums += kTileCols) {
    U* const out = row(c, i);
    for (Index j = 0; j < bias.size(); ++j) sums[j] += widen(bias[j]);
    if (write == Write::accumulate) {
      for (Index j = 0; j < c.cols(); ++j) sums[j] += widen(out[j]);
    }
    for (Index j = 0; j < c.cols(); ++j) out[j] = narrow<U>(sums[j]);
  }
}

}  // namespace

template <class U>
void widened_product(const Strided<bfloat16>& a, const Strided<bfloat16>& b, Mat<U> c, Write write,
                     ConstVec<bfloat16> bias) {
  const Grid grid(c.rows(), c.cols());
  parallel_each(grid.count(), [&](Index i) {
    float* const left = scratch<Grid, float>(kLeftSize + kRightSize + kSumsSize);
    float* const right = left + kLeftSize;
    float* const sums = right + kRightSize;
    const auto [row, rows, col, cols] = grid[i];
    multiply_tile(a.part(row, rows, 0, a.cols), b.part(0, b.rows, col, cols), left, right, sums);
    write_tile<U>(sums, columns(kiln::rows(c, row, rows), col, cols), write, part(bias, col, cols));
  });
}

std::size_t widened_product_bytes() {
  return static_cast<std::size_t>(kLeftSize + kRightSize + kSumsSize) * sizeof(float);
}

template void widened_product<bfloat16>(const Strided<bfloat16>&, const Strided<bfloat16>&, Mat<bfloat16>, Write,
                                        ConstVec<bfloat16>);
template void widened_product<float>(const Strided<bfloat16>&, const Strided<bfloat16>&, Mat<float>, Write,
                                     ConstVec<bfloat16>);

}  // namespace kiln
