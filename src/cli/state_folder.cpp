// Follows the XDG Base Directory Specification, which ignores relative paths.
#include "cli/state_folder.h"

#include <cstdlib>

namespace kiln::cli {

std::optional<std::filesystem::path> state_folder() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state != nullptr && *state == '/') return std::filesystem::path(state) / "kiln";
  if (home != nullptr && *home == '/') return std::filesystem::path(home) / ".local/state/kiln";
  return std::nullopt;
}

}  // namespace kiln::cli
