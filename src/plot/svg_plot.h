// Draws a figure as a self-contained SVG file: no scripts, no external fonts, a white background.
#pragma once

#include "kiln/plot/figure.h"

#include <string>

namespace kiln {

/// Series are thinned to this many stripes, so that weeks of training still give a small file.
inline constexpr int kSvgColumns = 1000;

std::string to_svg(const Figure& figure);

}  // namespace kiln
