// A unit of packed_product: words are floats, multiplied by the processor's vectors.
#include "kernels/widened_product.h"

#include "kernels/multiply_block.h"
#include "kernels/packed_product.h"
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
constexpr Index kVectors = 2;  // of a row, in the block of sums that stays in registers

/// Words are floats. A tile and a stretch take 420 to 540 KB for the left factor, 590 for the right and 410 for sums,
/// for a second-level cache of a megabyte or two. Measured on a Xeon with AVX-512, within 5% of the best of nine sizes.
struct FloatUnit {
  static constexpr Index kTileRows = 264, kTileCols = 384, kDepth = 384;
  static constexpr Index kRows = tile::kHasManyRegisters ? 12 : 6, kCols = kVectors * kLane;  // of the block of sums

  /// The left factor lies row by row, `kRowPitch` apart, or, where it is read across, in panels of kRows rows: a line
  /// of kPanelPitch for each step of the depth.
  static constexpr Index kRowPitch = kDepth + kLane, kPanelPitch = padded<float>(kRows);
  static constexpr Index kLeftSize = std::max(kTileRows * kRowPitch, kTileRows / kRows * kDepth * kPanelPitch);
  static constexpr Index kRightSize = kDepth * kTileCols;
  static_assert(kTileRows % kRows == 0 && kTileCols % kCols == 0 && kDepth % (2 * kLane) == 0);

  static void lay_out_right(const Strided<bfloat16>& b, float* out);
  static void multiply(const Strided<bfloat16>& a, float* left, const float* right, Index cols, float* sums,
                       bool accumulate);
};

using F = FloatUnit;

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
    for (Index k = 0; k < a.cols; k += kLane) widen_run<kLane>(in + k, a.cols - k, out + i * F::kRowPitch + k);
  }
}

/// Neighbours at each step of the depth, whose steps lie `stride` apart, in panels of `Width` of them: panel p has
/// element (k, j) at out[(p * F::kDepth + k) * Pitch + j].
template <Index Width, Index Pitch>
void lay_out_panels(const bfloat16* data, Index stride, Index depth, Index width, float* out) {
  for (Index j = 0; j < width; j += Width, out += F::kDepth * Pitch) {
    for (Index k = 0; k < depth; ++k) widen_run<Pitch>(data + k * stride + j, width - j, out + k * Pitch);
  }
}

/// The right factor where it lies across, (K, N) with neighbours along its depth, in the same panels of F::kCols.
/// Neighbours are transposed in pairs, as the words that they are in memory, and parted after that.
void lay_out_across(const Strided<bfloat16>& b, float* out) {
  static_assert(std::endian::native == std::endian::little);
  constexpr Index kNeighbours = 2 * kLane;
  const Bits high = simd::pset1<Bits>(static_cast<std::int32_t>(0xffff0000u));
  for (Index j = 0; j < b.cols; j += kLane) {
    float* const panel = out + j / F::kCols * F::kCols * F::kDepth + j % F::kCols;
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
        simd::pstoreu(panel + (k + 2 * q) * F::kCols, simd::preinterpret<P>(simd::plogical_shift_left<16>(words)));
        simd::pstoreu(panel + (k + 2 * q + 1) * F::kCols, simd::preinterpret<P>(simd::pand(words, high)));
      }
    }
  }
}

/// R rows and F::kCols columns of a tile's sums. Not inlined, so that its registers are its own.
template <Index R, Index Row, Index Step>
[[gnu::noinline]] void multiply_rows(const float* left, const float* right, Index depth, float* sums, bool accumulate) {
  tile::multiply_block<R, kVectors>(Left<float>{left, Row, Step}, right, F::kCols, sums, F::kTileCols, depth,
                                    accumulate);
}

/// sums (rows, cols) (+)= left right. Of F::kRows rows of the left factor after the other, Block apart, element (i, k)
/// lies at i * Row + k * Step.
template <Index Block, Index Row, Index Step>
void multiply_stretch(const float* left, const float* right, Index rows, Index cols, Index depth, float* sums,
                      bool accumulate) {
  for (Index i = 0; i < rows; i += F::kRows, left += Block) {
    with_rows<F::kRows>(std::min(F::kRows, rows - i), [&]<Index R>() {
      for (Index j = 0; j < cols; j += F::kCols) {
        multiply_rows<R, Row, Step>(left, right + j * F::kDepth, depth, sums + i * F::kTileCols + j, accumulate);
      }
    });
  }
}

void FloatUnit::lay_out_right(const Strided<bfloat16>& b, float* out) {
  if (b.col_stride == 1) {
    lay_out_panels<kCols, kCols>(b.data, b.row_stride, b.rows, b.cols, out);
  } else {
    lay_out_across(b, out);
  }
}

void FloatUnit::multiply(const Strided<bfloat16>& a, float* left, const float* right, Index cols, float* sums,
                         bool accumulate) {
  if (a.col_stride == 1) {
    lay_out_rows(a, left);
    multiply_stretch<kRows * kRowPitch, kRowPitch, 1>(left, right, a.rows, cols, a.cols, sums, accumulate);
  } else {
    lay_out_panels<kRows, kPanelPitch>(a.data, a.col_stride, a.cols, a.rows, left);
    multiply_stretch<kDepth * kPanelPitch, 1, kPanelPitch>(left, right, a.rows, cols, a.cols, sums, accumulate);
  }
}

}  // namespace

template <class U>
void widened_product(const Strided<bfloat16>& a, const Strided<bfloat16>& b, Mat<U> c, Write write,
                     ConstVec<bfloat16> bias) {
  packed_product<FloatUnit, U>(a, b, c, write, bias);
}

std::size_t widened_product_bytes() { return packed_product_bytes<FloatUnit>(); }

template void widened_product<bfloat16>(const Strided<bfloat16>&, const Strided<bfloat16>&, Mat<bfloat16>, Write,
                                        ConstVec<bfloat16>);
template void widened_product<float>(const Strided<bfloat16>&, const Strided<bfloat16>&, Mat<float>, Write,
                                     ConstVec<bfloat16>);

}  // namespace kiln
