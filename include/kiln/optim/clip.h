// Computes the gradient's norm and its clipping factor.
#pragma once

#include "kiln/tensor/parameters.h"

namespace kiln {

/// Returns the sum of squares of `count` elements, in double and in an order that does not depend on the thread count.
template <class T>
double sum_of_squares(const T* data, Index count);

/// Returns the L2 norm of all gradients together; NaN or infinite if one of them is.
double global_norm(const ParameterBuffer<float>& gradients);

/// Returns the factor that limits a gradient of norm `norm` to `max_norm`: PyTorch's min(1, max_norm / (norm + 1e-6)).
/// A max_norm of 0 disables clipping. `norm` must be finite. arXiv:1211.5063.
double clip_scale(double norm, double max_norm);

}  // namespace kiln
