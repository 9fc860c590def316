// Dropout whose masks are never stored: they come again from the counter-based generator.
#pragma once

#include "kiln/core/rng.h"
#include "kiln/tensor/view.h"

#include <cstdint>

namespace kiln {

/// What varies from step to step: whether dropout is on, and the draw it takes.
struct StepContext {
  bool training = false;
  std::uint64_t seed = 0;
  std::uint64_t step = 0;  // the number of the micro-batch's first window, so that each has masks of its own
};

/// One place where dropout acts in one step. Element e is kept where its random word is at least rate * 2^32, and is
/// then scaled by 1 / (1 - rate) (arXiv:1207.0580, inverted form).
class Dropout {
 public:
  Dropout() = default;  // keeps everything
  /// `site` numbers the places of a model; evaluation (not training) keeps everything.
  Dropout(const StepContext& context, double rate, std::uint64_t site);

  bool active() const { return threshold_ != 0; }
  float scale() const { return scale_; }  // of what is kept

  /// The factor of element e: 0 or scale().
  float factor(std::uint64_t e) const {
    if (!active()) return 1.0f;
    return philox(key_, e / 4, step_)[e % 4] >= threshold_ ? scale_ : 0.0f;
  }
  /// The factors of elements [first, first + count) into `factors`; four times cheaper than one by one.
  void fill(std::uint64_t first, Index count, float* factors) const;

 private:
  std::uint64_t key_ = 0;
  std::uint64_t step_ = 0;
  std::uint32_t threshold_ = 0;
  float scale_ = 1.0f;
};

/// y = x + dropout(y), the sum into the residual stream; element (n, c) has number n*C + c.   x, y (N, C).
template <class T>
void residual_forward(ConstMat<T> x, Dropout dropout, Mat<T> y);

/// dropout(dx): what reaches the branch; the stream itself passes dx on unchanged. It is dx itself where nothing is
/// dropped, else made in `memory`.   dx, memory (N, C), maybe the same.
template <class T>
ConstMat<T> residual_backward(ConstMat<T> dx, Dropout dropout, Mat<T> memory);

/// x = dropout(x) in place; its own backward.   x (N, C).
template <class T>
void dropout_inplace(Dropout dropout, Mat<T> x);

}  // namespace kiln
