// Computes the gradient's norm and its clipping factor.
#pragma once

#include "kiln/tensor/chunks.h"

#include <span>
#include <vector>

namespace kiln {

/// Returns the sum of squares of `count` elements, in double and in an order that does not depend on the thread count.
template <class T>
double sum_of_squares(const T* data, Index count);

/// The L2 norm of all gradients together, from the squares of each chunk. Chunks follow from the layout alone, and are
/// added in their order, so that neither threads nor ranks that share them out change a bit.
class GradientNorm {
 public:
  explicit GradientNorm(const ParameterLayout& layout);

  Index chunks() const { return std::ssize(chunks_); }
  /// Computes the squares of chunks [first, last).
  void add(const ParameterBuffer<float>& gradients, Index first, Index last);
  /// Returns the squares of all chunks, which another rank may have computed.
  std::span<double> squares() { return squares_; }
  /// Returns the norm once all squares are there; NaN or infinite if a gradient is.
  double value() const;

 private:
  std::vector<Chunk> chunks_;
  std::vector<double> squares_;
};

/// Returns the L2 norm of all gradients together; NaN or infinite if one of them is.
double global_norm(const ParameterBuffer<float>& gradients);

/// Returns the factor that limits a gradient of norm `norm` to `max_norm`: PyTorch's min(1, max_norm / (norm + 1e-6)).
/// A max_norm of 0 disables clipping. `norm` must be finite. arXiv:1211.5063.
double clip_scale(double norm, double max_norm);

}  // namespace kiln
