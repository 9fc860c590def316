// The name that a mistyped word was probably meant to be.
#pragma once

#include <span>
#include <string_view>

namespace kiln {

/// The candidate that lies the fewest edits from `word` (a character inserted, dropped or changed, or two neighbours
/// swapped; case does not count), within a third of its length, at least 1. Where none is so near, the only candidate
/// that begins with `word`. Otherwise an empty view.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace kiln
