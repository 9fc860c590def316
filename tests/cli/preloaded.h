// Preloads a library that makes the disk or the clock of a program under test faulty.
#pragma once

#include "kiln/core/file.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <functional>
#include <sstream>
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

/// Expects a run that lasted a moment to have rows whose times rise, whatever the clock did. Calls `look` with each
/// row.
inline void expect_steady_times(const std::string& run, const std::function<void(const nlohmann::json& row)>& look) {
  std::istringstream lines(read_file(run + "/metrics.jsonl"));
  double before = 0;
  int rows = 0;
  for (std::string line; std::getline(lines, line); ++rows) {
    const auto row = nlohmann::json::parse(line);
    EXPECT_GE(row["seconds"].get<double>(), before);
    before = row["seconds"].get<double>();
    look(row);
  }
  EXPECT_GT(rows, 1);
  EXPECT_LT(before, 60);
}

}  // namespace kiln::testing
