// Tells whose work the pages contain.
#pragma once

#include <string>

namespace kiln {

/// Returns the licences of the libraries that the pages contain, each under its name.
std::string licenses();

}  // namespace kiln
