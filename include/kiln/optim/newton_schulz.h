// The nearest orthogonal matrix, roughly and fast: the heart of Muon.
#pragma once

#include "kiln/tensor/arena.h"
#include "kiln/tensor/view.h"

namespace kiln {

/// The room that a matrix (rows, cols) needs; K = min(rows, cols).
struct NewtonSchulzRoom {
  NewtonSchulzRoom(Arena& arena, Index rows, Index cols);

  Mat<float> x;           // (rows, cols), the matrix itself
  Mat<float> next;        // (rows, cols)
  Mat<float> gram;        // (K, K)
  Mat<float> polynomial;  // (K, K)
};

/// Of room.x = U S V^T, roughly U V^T: five steps of a Newton-Schulz iteration, which pull all singular values that are
/// not near 0 to between about 0.7 and 1.2. A matrix of zeros stays. Returns x or next, whichever holds the result.
/// Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); arXiv:2502.16982.
Mat<float> newton_schulz(NewtonSchulzRoom room);

}  // namespace kiln
