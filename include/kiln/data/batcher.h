// Windows of a token file in the order of a run: a pure function of (seed, window number), so that the number of
// windows drawn is all the state there is, and any machine can compute any share of a batch.
#pragma once

#include "kiln/data/data_config.h"
#include "kiln/data/data_order.h"
#include "kiln/data/token_file.h"
#include "kiln/nn/token_rows.h"
#include "kiln/tensor/view.h"
#include "kiln/text/special_ids.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace kiln {

/// Tokens to run through a model, and the rows of it whose next token is scored.
struct Batch {
  TokenRows rows;                     // (N) inputs
  std::vector<Index> scored;          // (M) rows, ascending
  std::vector<std::int32_t> targets;  // (M) the token that follows each
  std::vector<float> weights;         // (M) of each in the loss

  /// Returns the sum of the weights, which the step divides by.
  double weight() const;

  Scored scored_targets() const { return {scored, targets}; }

  /// Removes all rows; keeps the memory.
  void clear();
  /// Appends T tokens of a file from token `first` on, each scored by the token that follows it with a weight of 1.
  /// They form one sequence; with a `border`, a new sequence begins after each such token, which is then not scored.
  /// `window` tells these tokens from all others of a run.
  void append_window(const TokenFile& file, Index first, Index T, std::optional<TokenId> border, Index window = 0);
};

/// Returns the token that separates documents which do not see each other (Batch::append_window): none, unless
/// data.attend_across_documents is off. Throws Error (usage) if then no token ends documents.
std::optional<TokenId> document_border(const DataConfig& data, const SpecialIds& ids);

/// The order in which a run sees its training windows, counted from 0 at step 0 and on over the epochs.
class Batcher {
 public:
  /// With a `border`, no attention and no position runs over such a token (Batch::append_window).
  /// Throws Error (usage) with both numbers if there are fewer than T + 1 tokens.
  Batcher(TokenFile tokens, Index T, DataOrder order, std::uint64_t seed, std::optional<TokenId> border = {});

  /// Whole windows in the data: an epoch, and what a batch of "all" holds.
  Index windows_per_epoch() const { return windows_; }

  /// The first token of window k of the run. With n tokens and W windows of T an epoch,
  /// - sequential: window k mod W, from token 0;
  /// - shuffle: epoch k / W is a permutation of its W windows, all moved by one draw from [0, n-1 - W*T], so that the
  ///   tail is seen too over the epochs;
  /// - random: a draw from [0, n-1 - T] of its own for every k.
  Index first_token(Index window);

  /// Fills the batch with windows [first_window, first_window + B) of the run. Allocates nothing where the batch has
  /// had that size before.
  void fill(Index first_window, Index B, Batch& batch);

 private:
  void shuffle(Index epoch);

  TokenFile tokens_;
  Index T_;
  DataOrder order_;
  std::uint64_t seed_;
  std::optional<TokenId> border_;
  Index windows_;
  std::vector<std::uint32_t> permutation_;  // of epoch_; shuffle alone
  Index shift_ = 0;
  Index epoch_ = -1;
};

/// A token file for evaluation, in order and without overlap, so that each of its n-1 targets is scored once: batches
/// of up to B windows of T, and one of the shorter rest where there is one. Where that is more than `most_targets`, as
/// many full windows as hold them, at least one, spread evenly over the file: the same ones each time.
class EvaluationBatches {
 public:
  /// With a `border`, a target that follows such a token is not scored (Batch::append_window).
  /// Throws Error (usage) with both numbers if there are fewer than 2 tokens.
  EvaluationBatches(TokenFile tokens, Index T, Index B, Index most_targets = std::numeric_limits<Index>::max(),
                    std::optional<TokenId> border = {});

  Index size() const { return (windows_ + B_ - 1) / B_ + (rest_ > 0 ? 1 : 0); }

  /// Fills batch i, 0 <= i < size(). Only the last may hold a window shorter than T.
  void fill(Index i, Batch& batch) const;

 private:
  TokenFile tokens_;
  Index T_;
  Index B_;
  Index full_windows_;  // of the file
  Index windows_;       // of these, scored
  std::optional<TokenId> border_;
  Index rest_ = 0;  // targets after the last full window, scored
};

}  // namespace kiln
