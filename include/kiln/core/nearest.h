// Finds the name that a mistyped word was probably meant to be.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace kiln {

/// Returns the candidates that begin with `word`, in their order; none for a word of a single character.
std::vector<std::string_view> beginning_with(std::string_view word, std::span<const std::string_view> candidates);

/// Returns the only candidate that begins with `word`. Otherwise returns the candidate with the smallest edit distance
/// from it, at most max(1, a third of its length), or an empty view if there is none; if several candidates begin with
/// `word`, only these count. An edit inserts, drops or changes a character, or swaps two neighbours; case is ignored.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace kiln
