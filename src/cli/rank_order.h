// Reads the order that a rater types: "b a=c d".
#pragma once

#include "kiln/data/rankings.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace kiln::cli {

/// Reads an order of the first `letters` letters, in any case. Spaces, commas and ">" may stand between letters; "="
/// joins equals. Letters that are not named are treated as completed_order says. Throws Error (usage) for anything
/// else, such as a letter that stands twice.
ShownOrder read_order(std::string_view text, std::size_t letters);

/// Returns an order as it may be typed, "b > a = c > d"; the letters of `rest` follow as "(c d not compared)".
std::string order_text(const ShownOrder& order);

}  // namespace kiln::cli
