// A figure as the file that its name asks for.
#pragma once

#include "kiln/plot/figure.h"

#include <filesystem>
#include <string>

namespace kiln {

/// Throws Error (usage) unless the name ends in .svg, or in .png where kiln was built with librsvg.
void check_picture_name(const std::filesystem::path& file);

/// The bytes of an .svg or a .png file, two pixels of it to each of the SVG's. Throws what check_picture_name throws.
std::string to_picture(const Figure& figure, const std::filesystem::path& file);

}  // namespace kiln
