// A picture in pixels, for where no SVG is shown.
#pragma once

#include <string>

namespace kiln {

/// The SVG as a PNG file's bytes, two pixels to each of its own. Throws Error (usage) where kiln was built without
/// librsvg, (failure) where the text is no SVG.
std::string to_png(const std::string& svg);

}  // namespace kiln
