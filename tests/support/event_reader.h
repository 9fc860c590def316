// Event files as tests/oracles/read_events.py reads them.
#pragma once

#include <nlohmann/json.hpp>

#include "support/process.h"
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace kiln::testing {

inline bool has_python() { return run({"python3", "--version"}).code == 0; }

/// What the reader prints, an event an entry; a failure of the test where it finds a record that is not whole.
inline std::vector<nlohmann::json> read_events(const std::filesystem::path& file) {
  const Outcome outcome = run({"python3", KILN_SOURCE_DIR "/tests/oracles/read_events.py", file.string()});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  std::vector<nlohmann::json> events;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) events.push_back(nlohmann::json::parse(line));
  return events;
}

/// The step's value under a tag; null where there is none.
inline nlohmann::json value_at(const std::vector<nlohmann::json>& events, std::int64_t step, const std::string& tag) {
  for (const nlohmann::json& event : events) {
    if (event["step"] != step || !event.contains("values")) continue;
    for (const nlohmann::json& value : event["values"]) {
      if (value["tag"] == tag) return value;
    }
  }
  return nullptr;
}

}  // namespace kiln::testing
