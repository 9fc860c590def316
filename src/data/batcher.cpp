// Orders of windows from counter-based draws: nothing to save but a count.
#include "kiln/data/batcher.h"

#include "kiln/core/error.h"
#include "kiln/core/rng.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <numeric>
#include <utility>

namespace kiln {

void Batch::resize(Index rows, Index positions) {
  B = rows;
  T = positions;
  inputs.resize(static_cast<std::size_t>(B * T));
  targets.resize(static_cast<std::size_t>(B * T));
}

void Batch::set_row(Index b, const TokenFile& tokens, Index first) {
  tokens.read(first, T, inputs.data() + b * T);
  tokens.read(first + 1, T, targets.data() + b * T);
}

Batcher::Batcher(TokenFile tokens, Index T, DataOrder order, std::uint64_t seed)
    : tokens_(std::move(tokens)), T_(T), order_(order), seed_(seed), windows_((tokens_.size() - 1) / T) {
  require_tokens(tokens_, T + 1, "data.train", fmt::format("a context of {} (model.n_ctx)", T));
  if (order_ != DataOrder::shuffle) return;
  check(windows_ <= std::numeric_limits<std::uint32_t>::max(),
        "data.train: {} windows of {} tokens are too many to shuffle; use the order \"random\"", windows_, T);
  permutation_.resize(static_cast<std::size_t>(windows_));
}

void Batcher::shuffle(Index epoch) {
  Rng rng(seed_, "data/shuffle", static_cast<std::uint64_t>(epoch));
  const Index slack = tokens_.size() - 1 - windows_ * T_;
  shift_ = static_cast<Index>(rng.below(static_cast<std::uint64_t>(slack) + 1));
  std::iota(permutation_.begin(), permutation_.end(), 0u);
  for (std::size_t left = permutation_.size(); left > 1; --left) {  // Fisher-Yates
    std::swap(permutation_[left - 1], permutation_[rng.below(left)]);
  }
  epoch_ = epoch;
}

Index Batcher::first_token(Index window) {
  assert(window >= 0);
  switch (order_) {
    case DataOrder::sequential:
      return window % windows_ * T_;
    case DataOrder::random: {
      Rng rng(seed_, "data/random", static_cast<std::uint64_t>(window));
      return static_cast<Index>(rng.below(static_cast<std::uint64_t>(tokens_.size() - T_)));
    }
    case DataOrder::shuffle:
      break;
  }
  if (window / windows_ != epoch_) shuffle(window / windows_);
  return shift_ + Index{permutation_[static_cast<std::size_t>(window % windows_)]} * T_;
}

void Batcher::fill(Index first_window, Index B, Batch& batch) {
  batch.resize(B, T_);
  for (Index b = 0; b < B; ++b) batch.set_row(b, tokens_, first_token(first_window + b));
}

EvaluationBatches::EvaluationBatches(TokenFile tokens, Index T, Index B, Index most_targets)
    : tokens_(std::move(tokens)), T_(T), B_(B), full_windows_((tokens_.size() - 1) / T), windows_(full_windows_) {
  require_tokens(tokens_, 2, tokens_.name().empty() ? "the text" : tokens_.name(), "an evaluation");
  const Index targets = tokens_.size() - 1;
  if (most_targets < targets && full_windows_ > 0) {
    windows_ = std::clamp<Index>((most_targets - 1) / T_ + 1, 1, full_windows_);
  } else {
    rest_ = targets - full_windows_ * T_;
  }
}

void EvaluationBatches::fill(Index i, Batch& batch) const {
  assert(i >= 0 && i < size());
  const Index first = i * B_;
  if (first >= windows_) {
    batch.resize(1, rest_);
    batch.set_row(0, tokens_, full_windows_ * T_);
    return;
  }
  batch.resize(std::min(B_, windows_ - first), T_);
  for (Index b = 0; b < batch.B; ++b) {
    const Index window = (first + b) * full_windows_ / windows_;
    batch.set_row(b, tokens_, window * T_);
  }
}

}  // namespace kiln
