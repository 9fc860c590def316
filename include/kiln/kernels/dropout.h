// Applies dropout without storing masks: the counter-based generator redraws them.
#pragma once

#include "kiln/core/rng.h"
#include "kiln/kernels/sequence.h"
#include "kiln/tensor/view.h"

#include <cstdint>
#include <span>

namespace kiln {

/// Says whether dropout is on, and from which seed masks are drawn.
struct StepContext {
  bool training = false;
  std::uint64_t seed = 0;
};

/// Dropout at one place of a model. The mask of a sequence depends only on the seed, the place and the sequence's
/// number, not on the rest of the batch. Element e is kept if its random word is at least rate * 2^32, and is then
/// scaled by 1 / (1 - rate) (arXiv:1207.0580, inverted form).
class Dropout {
 public:
  Dropout() = default;  // keeps everything
  /// `site` is the place's number in the model. Keeps everything unless context.training.
  Dropout(const StepContext& context, double rate, std::uint64_t site);

  bool active() const { return threshold_ != 0; }
  float scale() const { return scale_; }  // of kept elements

  /// Returns the factor of element e of a sequence: 0 or scale().
  float factor(std::uint64_t sequence, std::uint64_t e) const {
    if (!active()) return 1.0f;
    return philox(key_, e / 4, sequence)[e % 4] >= threshold_ ? scale_ : 0.0f;
  }
  /// Writes the factors of elements [first, first + count) of a sequence, at a quarter of the cost of factor().
  void fill(std::uint64_t sequence, std::uint64_t first, Index count, float* factors) const;

 private:
  std::uint64_t key_ = 0;
  std::uint32_t threshold_ = 0;
  float scale_ = 1.0f;
};

/// Computes y = x + dropout(y), the residual sum. Element (t, c) of a sequence has number t*C + c.   x, y (N, C).
template <class T>
void residual_forward(ConstMat<T> x, Dropout dropout, std::span<const Sequence> sequences, Mat<T> y);

/// Returns the gradient of the branch, dropout(dx); that of the stream is dx. Returns dx itself if dropout is inactive,
/// else writes to `memory`.   dx, memory (N, C), may be the same.
template <class T>
ConstMat<T> residual_backward(ConstMat<T> dx, Dropout dropout, std::span<const Sequence> sequences, Mat<T> memory);

/// Computes x = dropout(x) in place; also serves as its own backward.   x (N, C).
template <class T>
void dropout_inplace(Dropout dropout, std::span<const Sequence> sequences, Mat<T> x);

}  // namespace kiln
