// Lowers ASCII letters by hand, since std::tolower depends on the locale.
#include "kiln/core/extension.h"

namespace kiln {

std::string lower_extension(const std::filesystem::path& file) {
  std::string extension = file.extension().string();
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return extension;
}

}  // namespace kiln
