// A figure in a terminal: eight dots a character, ticks left and below, a legend.
#pragma once

#include "kiln/plot/figure.h"

#include <string>

namespace kiln {

struct BrailleOptions {
  int width = 80;      // characters; at least 30 are taken
  int rows = 16;       // of the plot's area
  bool color = false;  // ANSI colours, for terminals that want them
};

/// Lines of at most `width` characters, each with its end. Noise is left out where its colour has another curve; points
/// of Stroke::markers are shown as a dot, notes as a star.
std::string to_braille(const Figure& figure, const BrailleOptions& options);

}  // namespace kiln
