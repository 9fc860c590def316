// The name that a mistyped word was probably meant to be.
#pragma once

#include <span>
#include <string_view>

namespace kiln {

/// The candidate that lies the fewest edits from `word` (a character inserted, dropped or changed, or two neighbours
/// swapped; case does not count), or an empty view where none is near: within a third of its length, at least 1.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace kiln
