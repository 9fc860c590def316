// Removes and moves whole runs; keeps foreign files, and refuses if other runs link into them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kiln {

/// Throws Error (usage) unless `run` is a run directory, not a link to one, and not in use by a process.
void check_changeable(const std::filesystem::path& run);

/// References from neighbouring runs to a run.
struct RunUses {
  std::vector<std::filesystem::path> links;    // symbolic links in them that lead into it
  std::vector<std::filesystem::path> configs;  // those that name it, as init_from or for its tokenizer
};
RunUses uses_of_run(const std::filesystem::path& run);

/// Returns the bytes of all files in a run directory. Throws Error (io).
std::uint64_t size_of_run(const std::filesystem::path& run);

/// Removes what kiln wrote in a run directory, including cached tokens, and then the folder if it is empty. Returns
/// what remains. Throws Error: as check_changeable does; usage if links lead into it; io.
std::vector<std::filesystem::path> remove_run(const std::filesystem::path& run);

/// Renames a run directory within a file system, flushed to the disk. Throws Error: as check_changeable does; usage if
/// links lead into it, or if `to` exists, is within the run, or is in a missing folder; io.
void move_run(const std::filesystem::path& run, const std::filesystem::path& to);

}  // namespace kiln
