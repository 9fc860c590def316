// What stands at the other end of an output: a terminal of some width, or nobody.
#pragma once

namespace kiln {

bool is_terminal(int file_descriptor);

/// Columns of the terminal at that descriptor, else the variable COLUMNS, else 80.
int output_width(int file_descriptor);

/// Colours are for terminals, unless NO_COLOR (no-color.org) or a dumb one asks for none.
bool output_has_color(int file_descriptor);

}  // namespace kiln
