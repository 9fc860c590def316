// Describes the rows of a batch that form one sequence.
#pragma once

#include "kiln/tensor/view.h"

#include <cstdint>
#include <span>

namespace kiln {

/// One sequence of a batch. Its tokens take rows [row, row + length) and positions past .. past + length - 1.
/// The sequences of a batch lie end to end, the first at row 0. Rows after the last belong to no sequence.
struct Sequence {
  Index row = 0;
  Index length = 0;          // at least 1
  Index past = 0;            // earlier tokens, with keys and values in a cache; 0 without a cache
  Index slot = 0;            // of the cache
  std::uint64_t number = 0;  // selects dropout's masks; in training no two sequences of a run share one

  Index keys() const { return past + length; }  // that the last token attends to
};

/// Returns the number of rows that belong to a sequence.
inline Index rows_in(std::span<const Sequence> sequences) {
  return sequences.empty() ? 0 : sequences.back().row + sequences.back().length;
}

}  // namespace kiln
