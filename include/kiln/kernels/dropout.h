// Dropout whose masks are never stored: the counter-based generator draws them again.
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

/// One place of a model where dropout acts. The mask of a sequence is a function of the seed, the place and the
/// sequence's number, whatever else is in the batch. Element e is kept if its random word is at least rate * 2^32, and
/// is then scaled by 1 / (1 - rate) (arXiv:1207.0580, inverted form).
class Dropout {
 public:
  Dropout() = default;  // keeps everything
  /// `site` numbers the places of a model. Evaluation (not training) keeps everything.
  Dropout(const StepContext& context, double rate, std::uint64_t site);

  bool active() const { return threshold_ != 0; }
  float scale() const { return scale_; }  // of what is kept

  /// Returns the factor of element e of a sequence: 0 or scale().
  float factor(std::uint64_t sequence, std::uint64_t e) const {
    if (!active()) return 1.0f;
    return philox(key_, e / 4, sequence)[e % 4] >= threshold_ ? scale_ : 0.0f;
  }
  /// Writes the factors of elements [first, first + count) of a sequence: four times cheaper than one by one.
  void fill(std::uint64_t sequence, std::uint64_t first, Index count, float* factors) const;

 private:
  std::uint64_t key_ = 0;
  std::uint32_t threshold_ = 0;
  float scale_ = 1.0f;
};

/// y = x + dropout(y), the sum into the residual stream. Element (t, c) of a sequence has number t*C + c.   x, y (N,
/// C).
template <class T>
void residual_forward(ConstMat<T> x, Dropout dropout, std::span<const Sequence> sequences, Mat<T> y);

/// Returns dropout(dx): what reaches the branch; the stream itself passes dx on unchanged. Returns dx itself if nothing
/// is dropped, else writes to `memory`.   dx, memory (N, C), may be the same.
template <class T>
ConstMat<T> residual_backward(ConstMat<T> dx, Dropout dropout, std::span<const Sequence> sequences, Mat<T> memory);

/// x = dropout(x) in place; its own backward.   x (N, C).
template <class T>
void dropout_inplace(Dropout dropout, std::span<const Sequence> sequences, Mat<T> x);

}  // namespace kiln
