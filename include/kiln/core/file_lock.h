// Locks a folder for one process through a lock file that holds its process id.
#pragma once

#include "kiln/core/descriptor.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace kiln {

/// Holds an advisory lock on a file that contains the holder's process id, until it is destroyed or the process ends.
class FileLock {
 public:
  /// Takes the lock. Throws Error (usage) if another process holds it: the message gives its process id and `remedy`
  /// ("choose ..."), an alternative to waiting. Throws Error (io) if the file cannot be created, locked or written.
  explicit FileLock(const std::filesystem::path& path, std::string_view remedy = {});

 private:
  Descriptor file_;  // closing it releases the lock
};

/// Returns whether a file looks like a FileLock's: a process id and nothing else.
bool is_file_lock(const std::filesystem::path& path);

/// Returns the id of the process that holds the FileLock on a file; nullopt if none does or the file is missing.
std::optional<std::int64_t> lock_holder(const std::filesystem::path& path);

}  // namespace kiln
