// Queries whether an output is a terminal, its width, and its colours.
#pragma once

namespace kiln {

bool is_terminal(int file_descriptor);

/// Returns the columns of the terminal at that descriptor; otherwise the variable COLUMNS, or 80.
int output_width(int file_descriptor);

/// Returns whether to use colours: only on a terminal, unless NO_COLOR (no-color.org) is set or TERM is "dumb".
bool output_has_color(int file_descriptor);

}  // namespace kiln
