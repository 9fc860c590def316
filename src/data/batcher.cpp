// Computes the orders of windows from counter-based draws, whose only state is a count.
#include "kiln/data/batcher.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/rng.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace kiln {

void DrawnRows::clear() {
  behaviour.clear();
  advantages.clear();
  reference.clear();
  values.clear();
  returns.clear();
  kl_weight = 0;
  values_alone = false;
}

void Batch::clear() {
  rows.clear();
  scored.clear();
  targets.clear();
  weights.clear();
  comparisons.clear();
  reference.clear();
  temperature = 1;
  drawn.clear();
}

void Batch::append_window(const TokenFile& file, Index first, Index T, std::optional<TokenId> border, Index window) {
  const std::span<std::int32_t> inputs = rows.append(T, {.number = static_cast<std::uint64_t>(window)});
  std::int32_t last_target = 0;
  file.read(first, T, inputs.data());
  file.read(first + T, 1, &last_target);
  if (border) rows.split_last(*border);
  const Index first_row = rows.size() - T;
  for (Index t = 0; t < T; ++t) {
    if (inputs[static_cast<std::size_t>(t)] == border) continue;
    scored.push_back(first_row + t);
    targets.push_back(t + 1 < T ? inputs[static_cast<std::size_t>(t) + 1] : last_target);
    weights.push_back(1.0f);
  }
}

std::optional<TokenId> document_border(const DataConfig& data, const SpecialIds& ids) {
  if (data.attend_across_documents) return std::nullopt;
  check(ids.end.has_value(),
        "data.attend_across_documents is false, but no token ends documents; name one with tokenizer.end_of_text");
  return ids.end;
}

Batcher::Batcher(TokenFile tokens, Index T, DataOrder order, std::uint64_t seed, std::optional<TokenId> border)
    : tokens_(std::move(tokens)),
      T_(T),
      order_(order),
      seed_(seed),
      border_(border),
      windows_((tokens_.size() - 1) / T) {
  require_tokens(tokens_.size(), T + 1, "data.train", fmt::format("a context of {} (model.n_ctx)", T));
  if (order_ != DataOrder::shuffle) return;
  check(windows_ <= std::numeric_limits<std::uint32_t>::max(),
        "data.train: {} of {} are too many to shuffle; use the order \"random\"", counted(windows_, "window"),
        counted(T, "token"));
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
  batch.clear();
  for (Index b = 0; b < B; ++b) {
    const Index window = first_window + b;
    batch.append_window(tokens_, first_token(window), T_, border_, window);
  }
}

std::vector<ExampleRange> micro_batches_of_step(BatchSource& source, Index first) {
  std::vector<ExampleRange> all;
  for (Index count; (count = source.count(first, std::ssize(all))) > 0; first += count) all.push_back({first, count});
  return all;
}

std::vector<ExampleRange> part_of_step(std::span<const ExampleRange> micro_batches, Index part, Index parts) {
  const Index all = std::ssize(micro_batches);
  if (all >= parts) {
    const std::span<const ExampleRange> own =
        micro_batches.subspan(static_cast<std::size_t>(all * part / parts),
                              static_cast<std::size_t>(all * (part + 1) / parts - all * part / parts));
    return {own.begin(), own.end()};
  }
  // The parts of micro-batch m are those whose number times `all` over `parts` is m.
  const Index m = part * all / parts;
  const Index begin = (m * parts + all - 1) / all, end = ((m + 1) * parts + all - 1) / all;
  const ExampleRange& whole = micro_batches[static_cast<std::size_t>(m)];
  const Index from = whole.count * (part - begin) / (end - begin),
              to = whole.count * (part + 1 - begin) / (end - begin);
  return {{whole.first + from, to - from}};
}

Index WindowBatches::count(Index, Index micro_batch) {
  const Index done = micro_batch * sizes_.windows_per_micro_batch;
  return std::max<Index>(0, std::min(sizes_.windows_per_micro_batch, sizes_.windows_per_step - done));
}

Index WindowBatches::steps_of_epochs(double epochs) {
  return kiln::steps_of_epochs(epochs, epoch(), sizes_.windows_per_step);
}

Index steps_of_epochs(double epochs, Index windows_per_epoch, Index windows_per_step) {
  constexpr double kMostSteps = 1e15;
  constexpr double kRounding = 1e-12;  // of a product that should be whole: 0.07 * 100 is more than 7
  const double windows = epochs * static_cast<double>(windows_per_epoch);
  const double steps = std::ceil(windows / static_cast<double>(windows_per_step) * (1 - kRounding));
  check(steps <= kMostSteps, "train.epochs {} are {:.2g} steps, more than can be counted; lower it, or set train.steps",
        epochs, steps);
  return std::max<Index>(1, static_cast<Index>(steps));
}

EvaluationBatches::EvaluationBatches(TokenFile tokens, Index T, Index B, Index most_targets,
                                     std::optional<TokenId> border)
    : tokens_(std::move(tokens)),
      T_(T),
      B_(B),
      full_windows_((tokens_.size() - 1) / T),
      windows_(full_windows_),
      border_(border) {
  require_tokens(tokens_.size(), 2, tokens_.name().empty() ? "the text" : tokens_.name(), "an evaluation");
  const Index targets = tokens_.size() - 1;
  if (most_targets < targets && full_windows_ > 0) {
    windows_ = std::clamp<Index>((most_targets - 1) / T_ + 1, 1, full_windows_);
  } else {
    rest_ = targets - full_windows_ * T_;
  }
}

void EvaluationSource::fail_vocabulary(Index vocab_size) const {
  fail(ExitCode::bad_input, "{}: holds a token outside the vocabulary of {}", name(), vocab_size);
}

void EvaluationBatches::fail_vocabulary(Index vocab_size) const {
  tokens_.check_vocabulary(vocab_size);  // throws, with the place
  EvaluationSource::fail_vocabulary(vocab_size);
}

void EvaluationBatches::fill(Index i, Batch& batch) const {
  assert(i >= 0 && i < size());
  const Index first = i * B_;
  batch.clear();
  if (first >= windows_) return batch.append_window(tokens_, full_windows_ * T_, rest_, border_);
  for (Index w = first; w < std::min(first + B_, windows_); ++w) {
    batch.append_window(tokens_, w * full_windows_ / windows_ * T_, T_, border_);
  }
}

}  // namespace kiln
