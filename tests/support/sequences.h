// Batches of sequences for tests.
#pragma once

#include "kiln/nn/token_rows.h"

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace kiln::testing {

/// Sequences of these lengths laid end to end; sequence i has slot i and number i + 3.
inline std::vector<Sequence> end_to_end(std::span<const Index> lengths, Index past = 0) {
  std::vector<Sequence> sequences;
  for (const Index length : lengths) {
    sequences.push_back({.row = rows_in(sequences),
                         .length = length,
                         .past = past,
                         .slot = std::ssize(sequences),
                         .number = sequences.size() + 3});
  }
  return sequences;
}

/// B sequences of T.
inline std::vector<Sequence> equal_sequences(Index B, Index T, Index past = 0) {
  return end_to_end(std::vector<Index>(static_cast<std::size_t>(B), T), past);
}

/// The positions of B sequences of T, each from `first` on.
inline std::vector<std::int32_t> equal_positions(Index B, Index T, Index first = 0) {
  std::vector<std::int32_t> positions;
  for (Index n = 0; n < B * T; ++n) positions.push_back(static_cast<std::int32_t>(first + n % T));
  return positions;
}

/// Tokens cut into B sequences of equal length.
inline TokenRows equal_rows(std::span<const std::int32_t> tokens, Index B = 1) {
  TokenRows rows;
  const std::size_t length = tokens.size() / static_cast<std::size_t>(B);
  for (Index b = 0; b < B; ++b) rows.append(tokens.subspan(static_cast<std::size_t>(b) * length, length));
  return rows;
}

/// Every row of a batch: 0, 1, 2, ...
inline std::vector<Index> all_rows(Index N) {
  std::vector<Index> rows(static_cast<std::size_t>(N));
  std::iota(rows.begin(), rows.end(), Index{0});
  return rows;
}

}  // namespace kiln::testing
