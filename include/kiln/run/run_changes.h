// Removing and moving whole runs, with care for what others keep in them or have of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kiln {

/// Throws Error (usage) unless `run` is a run directory itself, no link to one, and no process uses it.
void check_changeable(const std::filesystem::path& run);

/// What the runs beside `run` have of it.
struct RunUses {
  std::vector<std::filesystem::path> links;    // symbolic links in them that lead into it
  std::vector<std::filesystem::path> configs;  // of those that name it, as init_from or for its tokenizer
};
RunUses uses_of_run(const std::filesystem::path& run);

/// The bytes of all files in a run directory. Throws Error (io).
std::uint64_t size_of_run(const std::filesystem::path& run);

/// Removes what kiln has written in a run directory, its cached tokens too, and the folder where nothing else is in it;
/// returns what stays. Throws Error: as check_changeable does; usage where links lead into it; io.
std::vector<std::filesystem::path> remove_run(const std::filesystem::path& run);

/// Gives a run directory another name, on the same file system, flushed to the disk.
/// Throws Error: as check_changeable does; usage where links lead into it, or `to` is taken, lies in the run, or in a
/// folder that is not there; io.
void move_run(const std::filesystem::path& run, const std::filesystem::path& to);

}  // namespace kiln
