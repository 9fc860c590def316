// Shares error handling and opening for reading among the users of POSIX file calls.
#pragma once

#include "kiln/core/descriptor.h"
#include "kiln/core/error.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>
#include <sys/stat.h>

namespace kiln {

inline constexpr std::size_t kPiece = std::size_t{1} << 20;  // bytes per read or write

inline std::string last_error() { return std::strerror(errno); }

/// Throws Error (io) "PATH: WHAT: reason" unless a call succeeded. A function, so that errno is read after the call.
inline void require(bool succeeded, const std::filesystem::path& path, const char* what) {
  if (!succeeded) fail(ExitCode::io, "{}: {}: {}", path.string(), what, last_error());
}

/// Returns the size of a file opened for reading. Throws Error (bad_input if it is not open or is a folder, io if it
/// cannot be examined).
inline std::size_t size_for_reading(const Descriptor& file, const std::filesystem::path& path) {
  check_input(file.get() >= 0, "{}: cannot be opened: {}", path.string(), last_error());
  struct stat status {};
  require(::fstat(file.get(), &status) == 0, path, "cannot be examined");
  check_input(!S_ISDIR(status.st_mode), "{}: is a folder; a file is expected", path.string());
  return static_cast<std::size_t>(status.st_size);
}

}  // namespace kiln
