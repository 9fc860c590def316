// The length of the gradient, and how it is kept within bounds.
#pragma once

#include "kiln/tensor/parameters.h"

namespace kiln {

/// The sum of the squares of `count` elements, in double and in an order that does not depend on the thread count.
template <class T>
double sum_of_squares(const T* data, Index count);

/// The Euclidean length of the gradients of all trainable parameters taken as one vector; NaN or infinite where one of
/// them is.
double global_norm(const ParameterBuffer<float>& gradients);

/// What a gradient of length `norm` is multiplied with so that it is at most `max_norm` long: PyTorch's
/// min(1, max_norm / (norm + 1e-6)). A max_norm of 0 never clips. `norm` must be finite. arXiv:1211.5063.
double clip_scale(double norm, double max_norm);

}  // namespace kiln
