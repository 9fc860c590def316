// Renders a figure as SVG or PNG, by the file's name.
#pragma once

#include "kiln/plot/figure.h"

#include <filesystem>
#include <string>

namespace kiln {

/// Throws Error (usage) unless the name ends in .svg, or in .png if kiln was built with librsvg.
void check_picture_name(const std::filesystem::path& file);

/// Returns the bytes of the .svg or .png file; the PNG has twice the SVG's resolution. Throws as check_picture_name
/// does, and Error (failure) if the PNG cannot be drawn.
std::string to_picture(const Figure& figure, const std::filesystem::path& file);

}  // namespace kiln
