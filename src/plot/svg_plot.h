// A figure as an SVG file of its own: no scripts, no fonts from elsewhere, its own white ground.
#pragma once

#include "kiln/plot/figure.h"

#include <string>

namespace kiln {

/// Series are thinned to kSvgColumns stripes, so that weeks of training stay a small file.
inline constexpr int kSvgColumns = 1000;

std::string to_svg(const Figure& figure);

}  // namespace kiln
