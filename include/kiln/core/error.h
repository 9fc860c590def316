// One exception type for everything a user can cause, carrying the process's exit code.
#pragma once

#include "kiln/core/shown_text.h"

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace kiln {

/// Exit codes of the program; they are part of its interface.
enum class ExitCode : int {
  ok = 0,
  failure = 1,    // a check that failed, or an internal error
  usage = 2,      // a wrong command line or config
  bad_input = 3,  // a file that cannot be what it claims to be
  diverged = 4,   // training ran into NaN or infinity
  io = 5,         // reading or writing failed, or the disk is full
};

/// A message for the user (where, what was found, what was expected, the remedy) and the exit code it leads to.
/// fail and the checks below make the message printable, since names from outside stand in it.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// Throws an Error with a formatted message, on one line.
template <class... Args>
[[noreturn]] void fail(ExitCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, printable(fmt::format(format, std::forward<Args>(args)...)));
}

/// Throws an Error with a message of several lines, each made printable.
[[noreturn]] void fail_lines(ExitCode code, const std::vector<std::string>& lines);

/// A condition on what the user asked for (command line, config): exit code 2.
template <class... Args>
void check(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) fail(ExitCode::usage, format, std::forward<Args>(args)...);
}

/// A condition on the contents of a file: exit code 3.
template <class... Args>
void check_input(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) fail(ExitCode::bad_input, format, std::forward<Args>(args)...);
}

/// A condition on the operating system's answer (reading, writing, disk space): exit code 5.
template <class... Args>
void check_io(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) fail(ExitCode::io, format, std::forward<Args>(args)...);
}

}  // namespace kiln
