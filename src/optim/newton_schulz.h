// The nearest orthogonal matrix, roughly and fast: the heart of Muon.
#pragma once

#include "kiln/tensor/arena.h"
#include "kiln/tensor/view.h"

#include <cstddef>

namespace kiln {

/// The room that a matrix (rows, cols) needs; K = min(rows, cols). T is float or bfloat16.
template <class T>
struct NewtonSchulzRoom {
  NewtonSchulzRoom(Arena& arena, Index rows, Index cols);

  Mat<T> x;           // (rows, cols), the matrix itself
  Mat<T> next;        // (rows, cols)
  Mat<T> gram;        // (K, K)
  Mat<T> polynomial;  // (K, K)
};

/// Of room.x = U S V^T, roughly U V^T: five steps of a Newton-Schulz iteration, which pull all singular values that are
/// not near 0 to between about 0.7 and 1.2. A matrix of zeros stays. Returns x or next, whichever holds the result.
/// Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); arXiv:2502.16982.
template <class T>
Mat<T> newton_schulz(NewtonSchulzRoom<T> room);

/// Bytes that its thread keeps beside the room for products in float; in bfloat16 none.
std::size_t newton_schulz_copy_bytes(Index rows, Index cols);

}  // namespace kiln
