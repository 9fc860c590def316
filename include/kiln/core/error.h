// Defines the exception for errors that a user can cause; it carries the process's exit code.
#pragma once

#include "kiln/core/shown_text.h"

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace kiln {

/// The program's exit codes, which are part of its interface.
enum class ExitCode : int {
  ok = 0,
  failure = 1,    // a failed check, or an internal error
  usage = 2,      // a wrong command line or config
  bad_input = 3,  // an invalid or unsupported file
  diverged = 4,   // training ran into NaN or infinity
  io = 5,         // failed to read or write, or the disk is full
  peer = 6,       // another process of the training did not answer
};

/// Carries an exit code and a message for the user: where, what was found, what was expected, the remedy. `fail` and
/// the checks below escape unprintable characters, since messages contain names from outside.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// Throws an Error with a formatted message on one line.
template <class... Args>
[[noreturn]] void fail(ExitCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, printable(fmt::format(format, std::forward<Args>(args)...)));
}

/// Throws an Error with a message of several lines, each made printable.
[[noreturn]] void fail_lines(ExitCode code, const std::vector<std::string>& lines);

/// Checks what the user asked for (command line, config). Throws Error (usage) unless `condition` holds.
template <class... Args>
void check(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) fail(ExitCode::usage, format, std::forward<Args>(args)...);
}

/// Checks the contents of a file. Throws Error (bad_input) unless `condition` holds.
template <class... Args>
void check_input(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) fail(ExitCode::bad_input, format, std::forward<Args>(args)...);
}

/// Checks the operating system's answer (reading, writing, disk space). Throws Error (io) unless `condition` holds.
template <class... Args>
void check_io(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) fail(ExitCode::io, format, std::forward<Args>(args)...);
}

/// Returns what action() does. An Error from it becomes one of bad input that begins with the place, "a.jsonl:3".
template <class Action>
auto at_place(const std::string& place, const Action& action) {
  try {
    return action();
  } catch (const Error& error) {
    fail(ExitCode::bad_input, "{}: {}", place, error.what());
  }
}

}  // namespace kiln
