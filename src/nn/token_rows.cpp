// Appends sequences to a batch, and splits them.
#include "kiln/nn/token_rows.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace kiln {

void TokenRows::clear() {
  tokens.clear();
  positions.clear();
  sequences.clear();
}

std::span<std::int32_t> TokenRows::append(Index length, const SequencePlace& place) {
  assert(length >= 1 && rows_in(sequences) == size());
  const auto begin = tokens.size();
  sequences.push_back(
      {.row = size(), .length = length, .past = place.past, .slot = place.slot, .number = place.number});
  tokens.resize(begin + static_cast<std::size_t>(length));
  positions.resize(tokens.size());
  std::iota(positions.begin() + static_cast<std::ptrdiff_t>(begin), positions.end(),
            static_cast<std::int32_t>(place.past));
  return std::span(tokens).subspan(begin);
}

void TokenRows::append(std::span<const std::int32_t> new_tokens, const SequencePlace& place) {
  std::ranges::copy(new_tokens, append(std::ssize(new_tokens), place).begin());
}

void TokenRows::split_last(std::int32_t border) {
  constexpr int kNumberBits = 40;  // of the sequence's number; the piece's offset takes the bits above
  const Sequence whole = sequences.back();
  assert(whole.past == 0);
  sequences.pop_back();
  for (Index begin = 0, end = 0; begin < whole.length; begin = end) {
    while (end < whole.length && tokens[static_cast<std::size_t>(whole.row + end++)] != border) {
    }
    sequences.push_back({.row = whole.row + begin,
                         .length = end - begin,
                         .number = whole.number | static_cast<std::uint64_t>(begin) << kNumberBits});
    const auto first = positions.begin() + (whole.row + begin);
    std::iota(first, first + (end - begin), 0);
  }
}

void TokenRows::round_up(Index rows) {
  const Index rounded = (size() + rows - 1) / rows * rows;
  tokens.resize(static_cast<std::size_t>(rounded), 0);
  positions.resize(static_cast<std::size_t>(rounded), 0);
}

}  // namespace kiln
