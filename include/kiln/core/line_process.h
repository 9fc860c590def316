// Runs a program that answers lines with lines, and stays alive between them.
#pragma once

#include "kiln/core/descriptor.h"

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace kiln {

/// A program at work, without a shell. Its stderr is this process's. The destructor closes its stdin, gives it a moment
/// to end, and kills it otherwise.
class LineProcess {
 public:
  /// Starts the program: its name, searched on the PATH, and its arguments. Throws Error (usage) if it cannot be
  /// started.
  explicit LineProcess(std::vector<std::string> command);
  ~LineProcess();
  LineProcess(const LineProcess&) = delete;
  LineProcess& operator=(const LineProcess&) = delete;

  /// Writes a line, without its line feed, and returns the program's next line. Throws Error (failure) if the program
  /// has ended, or says nothing for `seconds`.
  std::string ask(std::string_view line, double seconds);

 private:
  void send(std::string_view bytes) const;
  std::string receive(double seconds);
  [[noreturn]] void fail_ended();

  std::vector<std::string> command_;
  Descriptor stream_;  // its stdin and stdout
  pid_t id_ = -1;
  std::string received_;  // beyond the last line
};

}  // namespace kiln
