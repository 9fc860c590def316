// A file that says which process is at work in a folder.
#pragma once

#include "kiln/core/descriptor.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace kiln {

/// Holds an advisory lock on a file that names the holder's process; released on destruction or when the process dies.
class FileLock {
 public:
  /// Throws Error (usage) that names the holder's process id where another process holds the lock, and what the user
  /// can do beside waiting ("choose ..."), if anything.
  explicit FileLock(const std::filesystem::path& path, std::string_view remedy = {});

 private:
  Descriptor file_;  // closing it releases the lock
};

/// Whether a file is what FileLock leaves: a process id and nothing else.
bool is_file_lock(const std::filesystem::path& path);

/// The id of the process that holds the FileLock on a file; nothing where none does, or there is no such file.
std::optional<std::int64_t> lock_holder(const std::filesystem::path& path);

}  // namespace kiln
