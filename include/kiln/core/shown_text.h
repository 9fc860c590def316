// Text from outside as a terminal or a picture may show it: escaped, measured in columns, cut by characters.
#pragma once

#include <string>
#include <string_view>

namespace kiln {

/// The text on one line: control characters, marks that turn the direction of writing and bytes that are no UTF-8 are
/// written as escapes ("\n", "\u001b", "\xff"). All else, backslashes included, stays as it is.
std::string printable(std::string_view text);

/// The same for a text of several lines, whose line feeds and tabs stay.
std::string printable_lines(std::string_view text);

/// The columns that a printable text takes in a terminal: two for a wide character (Chinese, emoji), none for an accent
/// that combines with the character before it.
int display_columns(std::string_view text);

/// The text, or its beginning and "…" where it takes more columns than `most`, which is at least 1.
std::string shortened(std::string_view text, int most);

/// The text and as many spaces as it needs to take `columns`, after it or before it.
std::string padded_right(std::string_view text, int columns);
std::string padded_left(std::string_view text, int columns);

}  // namespace kiln
