// Makes text from outside safe to show: escapes it, measures its columns, and cuts it between characters.
#pragma once

#include <string>
#include <string_view>

namespace kiln {

/// Returns the text on one line. Escapes control characters, marks that change the direction of writing and bytes that
/// are not UTF-8 ("\n", "\u001b", "\xff"). Everything else, including backslashes, stays as it is.
std::string printable(std::string_view text);

/// Like printable, but keeps line feeds and tabs.
std::string printable_lines(std::string_view text);

/// Returns the word quoted for a shell where it needs quotes: 'a b'. Unprintable characters are escaped ($'a\x0a').
std::string shell_quoted(std::string_view word);

/// Returns the columns that a printable text takes in a terminal: two for a wide character (Chinese, emoji), none for a
/// combining accent and other invisible characters.
int display_columns(std::string_view text);

/// Cuts the text, and appends "…", if it takes more columns than `most`, which is at least 1.
std::string shortened(std::string_view text, int most);

/// Pad the text with spaces up to `columns`, on its right or on its left.
std::string padded_right(std::string_view text, int columns);
std::string padded_left(std::string_view text, int columns);

}  // namespace kiln
