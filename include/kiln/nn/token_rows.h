// The tokens of a forward: sequences laid end to end, so that no padding exists.
#pragma once

#include "kiln/kernels/sequence.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kiln {

/// What a sequence has besides its rows; see Sequence.
struct SequencePlace {
  Index past = 0, slot = 0;
  std::uint64_t number = 0;
};

/// N rows of tokens. Attention and dropout read `sequences`; every other layer sees rows.
struct TokenRows {
  std::vector<std::int32_t> tokens;     // (N), each in [0, V)
  std::vector<std::int32_t> positions;  // (N), each in [0, n_ctx)
  std::vector<Sequence> sequences;      // in the order of their rows

  Index size() const { return std::ssize(tokens); }

  /// Removes all rows; keeps the memory.
  void clear();
  /// Appends a sequence of `length` tokens (at least 1) and returns where they go. The caller writes them.
  std::span<std::int32_t> append(Index length, const SequencePlace& place = {});
  void append(std::span<const std::int32_t> tokens, const SequencePlace& place = {});
  /// Cuts the last sequence, without a past, after each token `border`. Positions begin at 0 again; the pieces' numbers
  /// follow from the sequence's and from where they begin in it.
  void split_last(std::int32_t border);
  /// Appends rows of no sequence (token 0, position 0) up to a multiple of `rows`, so that products see few row counts.
  void round_up(Index rows);
};

/// Rows of a forward whose next tokens are scored. M rows, ascending.
struct Scored {
  std::span<const Index> rows;            // (M)
  std::span<const std::int32_t> targets;  // (M), each in [0, V)
};

}  // namespace kiln
