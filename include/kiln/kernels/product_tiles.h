// How a product of matrices is cut by its sizes alone, so that no bit of it depends on who computes which tile.
#pragma once

#include "kiln/tensor/view.h"

#include <algorithm>

namespace kiln {

/// [0, size) in pieces of the same length, the last of which may be shorter.
struct Cut {
  Index size = 0, piece = 0;

  /// About `pieces` of them, whole multiples of `unit`.
  static Cut into(Index pieces, Index size, Index unit);
  Index count() const { return piece > 0 ? (size + piece - 1) / piece : 1; }
  Index begin(Index i) const { return i * piece; }
  Index length(Index i) const { return std::min(piece, size - begin(i)); }
};

/// A piece of c (M, N) = a (M, K) b (K, N): rows and columns of c, over a stretch of the inner dimension.
struct ProductTile {
  Index row, rows;
  Index col, cols;
  Index inner, depth;
};

/// The tiles of a product, all of about the same size: large enough for a thread to be worth waking, and at least
/// eight where the product allows it. Where c is too small for these, as a weight's gradient is that many tokens are
/// summed into, the inner dimension is cut into layers too, and c is their sum, in their order.
class ProductTiles {
 public:
  ProductTiles(Index M, Index N, Index K);

  /// The tiles that cover c once; layer l has [l * per_layer(), (l + 1) * per_layer()).
  Index per_layer() const { return rows_.count() * cols_.count(); }
  Index layers() const { return inner_.count(); }
  Index count() const { return layers() * per_layer(); }

  ProductTile operator[](Index i) const;

 private:
  Cut rows_, cols_, inner_;
};

}  // namespace kiln
