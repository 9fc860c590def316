// Reads the order that a rater types: "b a=c d".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {

/// Letters as numbers (a is 0), best to worst, each group of equals; and those that were not named.
struct TypedOrder {
  std::vector<std::vector<std::size_t>> groups;
  std::vector<std::size_t> rest;
};

/// Reads an order of the first `letters` letters, in any case. Spaces, commas and ">" may stand between letters; "="
/// joins equals. Letters that are not named are worse than all named ones, and not compared with each other; a single
/// one of them comes last. Throws Error (usage) for anything else, such as a letter that stands twice.
TypedOrder read_order(std::string_view text, std::size_t letters);

/// Returns an order as it may be typed, "b > a = c > d"; the letters of `rest` follow as "(c d not compared)".
std::string order_text(const TypedOrder& order);

}  // namespace kiln::cli
