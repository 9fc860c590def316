// Preloads a library that makes the disk or the clock of a program under test faulty.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

namespace kiln::testing {

/// Returns a command line with a library of tests/support preloaded, and these environment variables set.
inline std::vector<std::string> preloaded(const std::string& library, const std::vector<std::string>& variables,
                                          const std::vector<std::string>& command) {
  const char* asan = std::getenv("ASAN_OPTIONS");
  std::vector<std::string> all{"env", "LD_PRELOAD=" + library,
                               std::string("ASAN_OPTIONS=") + (asan ? asan : "") + ":verify_asan_link_order=0"};
  all.insert(all.end(), variables.begin(), variables.end());
  all.insert(all.end(), command.begin(), command.end());
  return all;
}

/// Returns the variables with which libfaulty_disk.so fails a call on the files that a pattern names.
inline std::vector<std::string> failing(const std::string& paths, const std::string& call, int error) {
  return {"FAULTY_DISK_PATHS=" + paths, "FAULTY_DISK_CALL=" + call, "FAULTY_DISK_ERRNO=" + std::to_string(error)};
}

/// Returns the variables with which it makes each call on those files last so long.
inline std::vector<std::string> slow(const std::string& paths, int milliseconds = 100) {
  return {"FAULTY_DISK_PATHS=" + paths, "FAULTY_DISK_DELAY_MS=" + std::to_string(milliseconds)};
}

}  // namespace kiln::testing
