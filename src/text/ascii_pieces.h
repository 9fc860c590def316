// Splits pure ASCII text into the pieces that the patterns define, without a regular expression.
#pragma once

#include "kiln/text/pretokenizer.h"

#include <cstddef>
#include <string_view>

namespace kiln {

/// Returns the length of the piece at the start of `text` (not empty), or 0 if a byte beyond ASCII could affect it.
std::size_t ascii_piece(SplitPattern pattern, std::string_view text);

}  // namespace kiln
