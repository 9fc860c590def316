// Pieces of pure ASCII, cut by hand: what the patterns say, without a regular expression.
#pragma once

#include "kiln/text/pretokenizer.h"

#include <cstddef>
#include <string_view>

namespace kiln {

/// The length of the piece at the start of `text` (not empty), or 0 where a byte beyond ASCII has a say in it.
std::size_t ascii_piece(SplitPattern pattern, std::string_view text);

}  // namespace kiln
