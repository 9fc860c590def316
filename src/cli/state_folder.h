// Finds the folder in which kiln keeps a person's state between runs of the program.
#pragma once

#include <filesystem>
#include <optional>

namespace kiln::cli {

/// Returns $XDG_STATE_HOME/kiln, else ~/.local/state/kiln, whether it exists or not; nullopt without either variable.
std::optional<std::filesystem::path> state_folder();

}  // namespace kiln::cli
