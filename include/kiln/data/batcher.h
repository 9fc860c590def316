// Draws windows of a token file in the order of a run. Each is a pure function of (seed, window number): the number of
// windows drawn is the only state, and any machine can compute any share of a batch.
#pragma once

#include "kiln/data/batch.h"
#include "kiln/data/data_config.h"
#include "kiln/data/data_order.h"
#include "kiln/text/special_ids.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln {

/// Returns the token after which a new sequence begins (Batch::append_window): none, unless
/// data.attend_across_documents is off. Throws Error (usage) if then no token ends documents.
std::optional<TokenId> document_border(const DataConfig& data, const SpecialIds& ids);

/// The order of a run's training windows, numbered from 0 at step 0 and continued over the epochs.
class Batcher {
 public:
  /// With a `border`, neither attention nor positions cross such a token (Batch::append_window).
  /// Throws Error (usage) with both numbers if there are fewer than T + 1 tokens.
  Batcher(TokenFile tokens, Index T, DataOrder order, std::uint64_t seed, std::optional<TokenId> border = {});

  /// Returns the whole windows in the data: an epoch, and a batch of "all".
  Index windows_per_epoch() const { return windows_; }

  /// Returns the first token of window k of the run. With n tokens and W windows of T per epoch:
  /// - sequential: window k mod W, from token 0;
  /// - shuffle: epoch k / W is a permutation of its W windows, all shifted by one draw from [0, n-1 - W*T], so that the
  ///   epochs cover the tail too;
  /// - random: an independent draw from [0, n-1 - T] for every k.
  Index first_token(Index window);

  /// Fills the batch with windows [first_window, first_window + B) of the run. Allocates nothing if the batch had that
  /// size before.
  void fill(Index first_window, Index B, Batch& batch);

 private:
  void shuffle(Index epoch);

  TokenFile tokens_;
  Index T_;
  DataOrder order_;
  std::uint64_t seed_;
  std::optional<TokenId> border_;
  Index windows_;
  std::vector<std::uint32_t> permutation_;  // of epoch_; shuffle only
  Index shift_ = 0;
  Index epoch_ = -1;
};

/// The windows of a step, and of a micro-batch of it, whose last may be smaller.
struct BatchSizes {
  Index windows_per_step;
  Index windows_per_micro_batch;
};

/// The batches of pre-training: each step takes the next windows of a Batcher.
class WindowBatches final : public BatchSource {
 public:
  WindowBatches(Batcher batcher, BatchSizes sizes) : batcher_(std::move(batcher)), sizes_(sizes) {}

  std::string_view unit() const override { return "window"; }
  Index epoch() const override { return batcher_.windows_per_epoch(); }
  Index count(Index first, Index micro_batch) override;
  void fill(Index first, Index count, Batch& batch) override { batcher_.fill(first, count, batch); }
  Index steps_of_epochs(double epochs) override;

 private:
  Batcher batcher_;
  BatchSizes sizes_;
};

/// Returns the steps of `epochs` passes over the training windows, at least 1. Throws Error (usage) if that overflows.
Index steps_of_epochs(double epochs, Index windows_per_epoch, Index windows_per_step);

/// Batches of a token file for evaluation, in order and without overlap, so that each of its n-1 targets is scored
/// once: up to B windows of T each, and a last one with the shorter rest. If there are more than `most_targets`, takes
/// only as many full windows as hold these, at least one, always the same and evenly spread over the file.
class EvaluationBatches final : public EvaluationSource {
 public:
  /// With a `border`, targets that follow such a token are not scored (Batch::append_window).
  /// Throws Error (usage) with both numbers if there are fewer than 2 tokens.
  EvaluationBatches(TokenFile tokens, Index T, Index B, Index most_targets = std::numeric_limits<Index>::max(),
                    std::optional<TokenId> border = {});

  Index size() const override { return (windows_ + B_ - 1) / B_ + (rest_ > 0 ? 1 : 0); }

  /// Fills batch i. Only the last may hold a window shorter than T.
  void fill(Index i, Batch& batch) const override;
  Index tokens() const override { return windows_ * T_ + rest_; }
  std::string name() const override { return tokens_.name(); }
  [[noreturn]] void fail_vocabulary(Index vocab_size) const override;

 private:
  TokenFile tokens_;
  Index T_;
  Index B_;
  Index full_windows_;  // of the file
  Index windows_;       // scored ones of these
  std::optional<TokenId> border_;
  Index rest_ = 0;  // targets after the last full window, scored
};

}  // namespace kiln
