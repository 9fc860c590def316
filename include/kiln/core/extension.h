// Returns file extensions, by which kiln tells file types apart.
#pragma once

#include <filesystem>
#include <string>

namespace kiln {

/// Returns the extension of a file's name in lower case: ".txt" for A.TXT.
std::string lower_extension(const std::filesystem::path& file);

}  // namespace kiln
