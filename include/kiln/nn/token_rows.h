// Holds the tokens of a forward: sequences end to end, without padding between them.
#pragma once

#include "kiln/kernels/sequence.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kiln {

/// The fields of a Sequence other than its rows.
struct SequencePlace {
  Index past = 0, slot = 0;
  std::uint64_t number = 0;
};

/// Rows of mixed lengths are rounded up to a multiple of this, so that products see few different sizes.
inline constexpr Index kRowMultiple = 64;
constexpr Index rounded_up_rows(Index rows) { return (rows + kRowMultiple - 1) / kRowMultiple * kRowMultiple; }

/// N rows of tokens. Only attention and dropout read `sequences`; all other layers work row by row.
struct TokenRows {
  std::vector<std::int32_t> tokens;     // (N), each in [0, V)
  std::vector<std::int32_t> positions;  // (N), each in [0, n_ctx)
  std::vector<Sequence> sequences;      // in the order of their rows

  Index size() const { return std::ssize(tokens); }

  /// Removes all rows; keeps the memory.
  void clear();
  /// Appends a sequence of `length` tokens (at least 1) and returns them for the caller to write.
  std::span<std::int32_t> append(Index length, const SequencePlace& place = {});
  void append(std::span<const std::int32_t> tokens, const SequencePlace& place = {});
  /// Splits the last sequence, which must have no past, after each token `border`. The positions of each piece begin
  /// at 0. Its number combines the sequence's number and the piece's offset.
  void split_last(std::int32_t border);
  /// Appends rows of no sequence (token 0, position 0) up to a multiple of `rows`: products then have few row counts.
  void round_up(Index rows);
};

/// Rows of a forward whose next tokens are scored. M rows, ascending.
struct Scored {
  std::span<const Index> rows;            // (M)
  std::span<const std::int32_t> targets;  // (M), each in [0, V)
  double temperature = 1;                 // divides the logits, as in sampling
  bool values_alone = false;              // of a backward: only the value head has gradients
};

}  // namespace kiln
