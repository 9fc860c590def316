// Reads the licences that are compiled into the program beside what they belong to.
#include "kiln/serve/licenses.h"

#include "serve/pages.h"
#include <string_view>

namespace kiln {

std::string licenses() {
  constexpr std::string_view kEnding = ".license";
  std::string text;
  for (const EmbeddedFile& file : embedded_files()) {
    if (!file.name.ends_with(kEnding)) continue;
    if (!text.empty()) text += '\n';
    text.append(file.name.substr(0, file.name.size() - kEnding.size())).append("\n\n").append(file.bytes);
    if (!text.ends_with('\n')) text += '\n';
  }
  return text.empty() ? "the pages contain no library of others\n" : text;
}

}  // namespace kiln
