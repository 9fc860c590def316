// Approximates the nearest orthogonal matrix by a Newton-Schulz iteration, for Muon.
#pragma once

#include "kiln/tensor/arena.h"
#include "kiln/tensor/view.h"

#include <cstddef>

namespace kiln {

/// Workspace for a matrix (rows, cols); K = min(rows, cols). T is float or bfloat16.
template <class T>
struct NewtonSchulzWorkspace {
  NewtonSchulzWorkspace(Arena& arena, Index rows, Index cols);

  Mat<T> x;           // (rows, cols), the input
  Mat<T> next;        // (rows, cols)
  Mat<T> gram;        // (K, K)
  Mat<T> polynomial;  // (K, K)
};

/// Returns approximately U V^T of workspace.x = U S V^T. Five Newton-Schulz steps move all singular values that are not
/// near 0 to about 0.7 to 1.2. A zero matrix stays zero. Leaves the result in workspace.x or workspace.next.
/// Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); arXiv:2502.16982.
template <class T>
Mat<T> newton_schulz(NewtonSchulzWorkspace<T> workspace);

}  // namespace kiln
