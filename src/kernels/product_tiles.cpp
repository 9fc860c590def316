// Sizes that cost oneDNN's kernels on one thread at most a few percent of their speed (Zen 4; docs/reliability.md).
#include "kiln/kernels/product_tiles.h"

#include <algorithm>

namespace kiln {
namespace {

constexpr Index kMostRows = 256, kMostCols = 384;  // 384 divides the widths of the GPT-2 family
constexpr Index kLeastRows = 64, kLeastCols = 128, kLeastDepth = 512;
constexpr Index kWantedTiles = 8;
constexpr Index kLine = 16;  // floats: whole cache lines, and whole vectors, in a tile's rows
constexpr Index kDepthUnit = 64;

Index pieces(Index size, Index most) { return std::max<Index>(1, (size + most - 1) / most); }

}  // namespace

Cut Cut::into(Index pieces, Index size, Index unit) {
  const Index length = (size + pieces - 1) / pieces;
  return {size, (length + unit - 1) / unit * unit};
}

ProductTiles::ProductTiles(Index M, Index N, Index K) {
  Index rows = pieces(M, kMostRows), cols = pieces(N, kMostCols);
  while (rows * cols < kWantedTiles) {
    const Index height = M / rows, width = N / cols;
    const bool lower = height >= 2 * kLeastRows, narrower = width >= 2 * kLeastCols;
    if (!lower && !narrower) break;
    (lower && (2 * height >= width || !narrower) ? rows : cols) *= 2;
  }
  rows_ = Cut::into(rows, M, kLine);
  cols_ = Cut::into(cols, N, kLine);
  const Index wanted = pieces(kWantedTiles, per_layer());
  inner_ = Cut::into(std::clamp<Index>(K / kLeastDepth, 1, wanted), K, kDepthUnit);
}

ProductTile ProductTiles::operator[](Index i) const {
  const Index layer = i / per_layer(), place = i % per_layer();
  const Index row = place / cols_.count(), col = place % cols_.count();
  return {rows_.begin(row),  rows_.length(row),   cols_.begin(col),
          cols_.length(col), inner_.begin(layer), inner_.length(layer)};
}

}  // namespace kiln
