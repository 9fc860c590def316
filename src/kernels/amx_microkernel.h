// Multiplies tiles of 16 x 16 bfloat16 pairs, as a microkernel of tiled_product. The registers are a parameter, so that
// tests can emulate CPUs with AMX.
#pragma once

#include "kernels/tiled_product.h"
#include "kernels/vectors.h"
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

// GCC warns that vector types lose their alignment attribute as template arguments; Eigen's packets do not rely on it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"

namespace kiln {

/// Registers: AmxRegisters or an emulation. Packed factors take 33 KB for 32 rows of the left one, which stay in the L1
/// cache, and 490 KB for the right one; sums take 860 KB; both stay in an L2 cache of 2 MB. Tests use smaller tiles.
template <class Registers, Index TileRows = 448, Index TileCols = 480, Index Depth = 512>
struct AmxMicrokernel {
  using Factor = bfloat16;
  using PackedElement = float;

  static constexpr Index kTileRows = TileRows, kTileCols = TileCols, kDepth = Depth;

  static constexpr Index kLines = Registers::kSize, kPairs = Registers::kSize, kTile = kLines * kPairs;
  static constexpr Index kStep = 2 * kPairs;                  // depth of a tile, in numbers
  static constexpr Index kRows = 2 * kLines, kCols = kLines;  // of a block of sums
  static constexpr Index kPanel = kDepth / kStep * kTile;     // 16 lines of depth kDepth
  static constexpr Index kLeftSize = 2 * kPanel, kPackedSize = kLeftSize + kTileCols / kLines * kPanel;
  static constexpr Index kRowUnit = kRows, kPackingCost = 64;
  static constexpr bool kInPlace = false;  // blocks of sums are written whole
  static_assert(kTileRows % kRows == 0 && kTileCols % kCols == 0 && kDepth % kStep == 0);

  template <class Finish>
  static void multiply(const Strided<bfloat16>& a, const Strided<bfloat16>& b, float* packed, float* sums,
                       Index /*pitch*/, Write write, const Strided<bfloat16>& /*next*/, Finish&& finish) {
    float *const left = packed, *const right = packed + kLeftSize;
    lay_out_right(b, right);
    const Registers registers;
    for (Index i = 0; i < a.rows; i += kRows, sums += kRows * kTileCols) {
      for (Index k = 0; k < a.cols; k += kStep) {
        float* const step = left + k / kStep * 2 * kTile;
        lay_out_tile<true>(a, i, k, step);
        lay_out_tile<true>(a, i + kLines, k, step + kTile);
      }
      for (Index j = 0; j < b.cols; j += kCols) {
        multiply_block(left, right + j / kLines * kPanel, (a.cols + kStep - 1) / kStep, sums + j, write);
      }
      finish(i, std::min(kRows, a.rows - i));
    }
  }

  static void round(const float* sums, bfloat16* out, Index count) {
    for (Index i = 0; i < count; ++i) out[i] = narrow<bfloat16>(sums[i]);
  }

 private:
  static void lay_out_right(const Strided<bfloat16>& b, float* out) {
    const Strided<bfloat16> lines{b.data, b.cols, b.rows, b.col_stride, b.row_stride};
    const auto lay_out = [&](Index j, Index k) {
      lay_out_tile<false>(lines, j, k, out + j / kLines * kPanel + k / kStep * kTile);
    };
    if (b.row_stride == 1) {  // in memory order
      for (Index j = 0; j < b.cols; j += kLines) {
        for (Index k = 0; k < b.rows; k += kStep) lay_out(j, k);
      }
    } else {
      for (Index k = 0; k < b.rows; k += kStep) {
        for (Index j = 0; j < b.cols; j += kLines) lay_out(j, k);
      }
    }
  }

  /// Computes 32 rows and 16 columns of sums. Not inlined, so that nothing else runs between a loop's instructions.
  /// Uses only four registers: 32 x 32 sums in eight need fewer loads, but a product took 34 ns instead of 15, with
  /// factors in the L1 cache (Xeon, Emerald Rapids; hyperthreads seem to share the physical tile registers).
  [[gnu::noinline]] static void multiply_block(const float* left, const float* right, Index steps, float* sums,
                                               Write write) {
    float* const lower = sums + kLines * kTileCols;
    if (write == Write::accumulate) {
      Registers::template load<0>(sums, kTileCols);
      Registers::template load<1>(lower, kTileCols);
    } else {
      Registers::template zero<0>();
      Registers::template zero<1>();
    }
    for (Index s = 0; s < steps; ++s, left += 2 * kTile, right += kTile) {
      Registers::template load<2>(right, kPairs);
      Registers::template load<3>(left, kPairs);
      Registers::template multiply_add<0, 3, 2>();
      Registers::template load<3>(left + kTile, kPairs);
      Registers::template multiply_add<1, 3, 2>();
    }
    Registers::template store<0>(sums, kTileCols);
    Registers::template store<1>(lower, kTileCols);
  }

  /// Packs 16 lines and 32 numbers of depth from `lines` (lines, depth), padded with zeros. Pair q of line l goes to
  /// out[l * kPairs + q] or, if not ByLine, to out[q * kLines + l].
  template <bool ByLine>
  static void lay_out_tile(const Strided<bfloat16>& lines, Index line, Index k, float* out) {
    const Index count = std::clamp<Index>(lines.rows - line, 0, kLines), depth = std::min(kStep, lines.cols - k);
    const Strided<bfloat16> part = lines.part(line, count, k, depth);
    const bool lies_by_line = lines.col_stride == 1;
    if (lies_by_line == ByLine) return lies_by_line ? copy_lines(part, out) : pair_rows(part, out);
    alignas(64) float other[kTile];
    lies_by_line ? copy_lines(part, other) : pair_rows(part, other);
    transpose(other, out);
  }

  static bool is_whole(const Strided<bfloat16>& lines) { return lines.rows == kLines && lines.cols == kStep; }

  static void copy_lines(const Strided<bfloat16>& lines, float* out) {
    if (is_whole(lines)) {
      for (Index l = 0; l < kLines; ++l) {
        std::memcpy(out + l * kPairs, lines.data + l * lines.row_stride, kStep * sizeof(bfloat16));
      }
      return;
    }
    std::fill_n(out, kTile, 0.0f);
    for (Index l = 0; l < lines.rows; ++l) {
      std::memcpy(out + l * kPairs, lines.data + l * lines.row_stride,
                  static_cast<std::size_t>(lines.cols) * sizeof(bfloat16));
    }
  }

  /// Packs lines whose depth is strided: combines the rows of two depth steps into pairs.
  static void pair_rows(const Strided<bfloat16>& lines, float* out) {
    const auto at = [&](Index k) { return lines.data + k * lines.col_stride; };
    if (is_whole(lines)) {
      for (Index q = 0; q < kPairs; ++q) {
        const bfloat16 *const even = at(2 * q), *const odd = at(2 * q + 1);
        for (Index l = 0; l < kLines; ++l) out[q * kLines + l] = pack_pair(even[l], odd[l]);
      }
      return;
    }
    std::fill_n(out, kTile, 0.0f);
    for (Index k = 0; k < lines.cols; k += 2) {
      for (Index l = 0; l < lines.rows; ++l) {
        out[k / 2 * kLines + l] = pack_pair(at(k)[l], k + 1 < lines.cols ? at(k + 1)[l] : bfloat16(0));
      }
    }
  }

  static_assert(std::endian::native == std::endian::little);
  static float pack_pair(bfloat16 first, bfloat16 second) {
    return std::bit_cast<float>(std::uint32_t{first.value} | std::uint32_t{second.value} << 16);
  }

  static void transpose(const float* in, float* out) {
    static_assert(kLines == kPairs);
    namespace simd = Eigen::internal;
    using P = tile::Packet<float>;
    constexpr Index kLane = tile::kLanes<float>;
    for (Index i = 0; i < kLines; i += kLane) {
      for (Index j = 0; j < kPairs; j += kLane) {
        simd::PacketBlock<P, kLane> block;
        for (Index q = 0; q < kLane; ++q) block.packet[q] = simd::ploadu<P>(in + (i + q) * kPairs + j);
        simd::ptranspose(block);
        for (Index q = 0; q < kLane; ++q) simd::pstoreu(out + (j + q) * kLines + i, block.packet[q]);
      }
    }
  }
};

}  // namespace kiln

#pragma GCC diagnostic pop
