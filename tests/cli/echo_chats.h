// Conversations that are learned in a moment, and a folder in which commands run.
#pragma once

#include <fmt/format.h>

#include "support/process.h"
#include "support/scratch.h"
#include <string>
#include <vector>

namespace kiln::testing {

/// Returns questions whose answers repeat one of so many letters; two kinds.
inline std::string echo_chats(int count, int letters = 8) {
  std::string lines;
  for (int i = 0; i < count; ++i) {
    const std::string answer(2, static_cast<char>('a' + i % letters));
    lines += fmt::format(R"({{"prompt":"say {}","completion":"{}","kind":"{}"}})"
                         "\n",
                         answer.front(), answer, i % 2 == 0 ? "even" : "odd");
  }
  return lines;
}

/// The working directory of commands.
struct WorkingFolder {
  Outcome kiln(const std::vector<std::string>& command, const std::string& in = "") const {
    return run_kiln(command, in, scratch.path());
  }
  Scratch scratch;
};

}  // namespace kiln::testing
