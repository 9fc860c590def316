// Finds the name that a mistyped word was probably meant to be.
#pragma once

#include <span>
#include <string_view>

namespace kiln {

/// Returns the candidate with the smallest edit distance from `word`, at most max(1, a third of its length). An edit
/// inserts, drops or changes a character, or swaps two neighbours; case is ignored. If there is none, returns the only
/// candidate that begins with `word`. Otherwise returns an empty view.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace kiln
