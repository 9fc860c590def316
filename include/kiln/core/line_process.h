// Runs a program that answers lines with lines, and stays alive between them.
#pragma once

#include "kiln/core/descriptor.h"
#include "kiln/core/error.h"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace kiln {

/// Returns the command as a shell would take it: each word quoted where it needs quotes.
std::string shown_command(std::span<const std::string> command);

/// Says that a program has written what no question asked for: an earlier line of it may have been such a one too.
struct UnaskedOutput : Error {
  using Error::Error;
};

/// Called while an answer is waited for. May throw, which ends the wait.
using WhileWaiting = std::function<void()>;

/// A program at work, without a shell. Its stderr is this process's. It leads a process group of its own, so that
/// Ctrl-C at the terminal does not reach it, and it begins without blocked signals. The destructor closes its stdin,
/// gives it a second to end, and then kills its group: the programs that it started end too. If this process is killed,
/// the program sees the end of its stdin.
class LineProcess {
 public:
  /// Starts the program: its name, searched on the PATH, and its arguments. Throws Error (usage) if it cannot be
  /// started.
  explicit LineProcess(std::vector<std::string> command);
  ~LineProcess();
  LineProcess(const LineProcess&) = delete;
  LineProcess& operator=(const LineProcess&) = delete;

  /// Writes a line, without its line feed, and returns the program's next line. Throws Error (failure) if the program
  /// has ended, does not read the line and answer it within `seconds`, and UnaskedOutput if it writes more than one
  /// line. Calls `while_waiting` at once and then every tenth of a second at least; throws what that throws. After a
  /// throw, the program is of no more use: destroy it.
  std::string ask(std::string_view line, double seconds, const WhileWaiting& while_waiting = {});

  /// Throws UnaskedOutput if the program has written anything since it answered, or does so within a moment.
  void check_silent();

 private:
  void send(std::string_view& unsent) const;
  void receive(std::string& received);
  [[noreturn]] void fail_because(std::string_view reason) const;
  [[noreturn]] void fail_unasked(std::string_view reason) const;
  [[noreturn]] void fail_ended();
  bool await_end() const;
  int kill_group();

  std::vector<std::string> command_;
  Descriptor stream_;  // its stdin and stdout
  pid_t id_ = -1;      // of the program and its group
};

}  // namespace kiln
