// Breaks lines between words, for narrow terminals.
#pragma once

#include <string>
#include <string_view>

namespace kiln {

/// Breaks the lines of a printable text at spaces, so that none takes more than `columns`, if its words are short
/// enough. All lines but the first begin with `indent`, and all have room for it.
std::string wrapped(std::string_view text, int columns, std::string_view indent);

}  // namespace kiln
