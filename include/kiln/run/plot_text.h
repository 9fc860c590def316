// The words of a plot: what any terminal and XML reader accepts, measured and cut by characters.
#pragma once

#include <string>

namespace kiln {

/// The text with U+FFFD for bytes that are no UTF-8 and for control characters.
std::string printable(const std::string& text);

/// How many characters a text of UTF-8 has; a byte that belongs to none counts as one.
int character_count(const std::string& text);

/// The text, or its beginning and "…" where it has more characters than `most`, which is at least 1.
std::string shortened(const std::string& text, int most);

}  // namespace kiln
