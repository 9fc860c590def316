// Draws a figure in a terminal: eight dots per character, ticks on the left and below, a legend.
#pragma once

#include "kiln/plot/figure.h"

#include <string>

namespace kiln {

struct BrailleOptions {
  int width = 80;      // characters; less than 30 counts as 30
  int rows = 16;       // height of the plot's area
  bool color = false;  // ANSI colours, if the terminal shows them
};

/// Returns lines of at most `width` characters, each with its line feed. Omits noise whose colour also has another
/// curve. Draws points of Stroke::markers as dots and notes as stars.
std::string to_braille(const Figure& figure, const BrailleOptions& options);

}  // namespace kiln
