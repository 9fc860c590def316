// Makes messages and commands of the lines of a chat.
#pragma once

#include "cli/line_source.h"
#include <cstddef>
#include <string>
#include <string_view>

namespace kiln::cli {

/// What the user entered. interrupted: Ctrl-C; `text` is empty if nothing had been typed.
struct ChatEntry {
  enum class Kind { message, command, interrupted, end };
  Kind kind = Kind::message;
  std::string text = {};
  std::size_t line = 0;  // its first, from 1 on
};

/// Reads entries:
/// - a line that begins with / is a command;
/// - a line that begins with """ is the first of a message that lasts up to a line that ends with """;
/// - any other line is a message; after a backslash at its end (an odd number of them) the message continues in the
/// next.
class ChatEntries {
 public:
  explicit ChatEntries(LineSource& lines) : lines_(lines) {}

  /// Returns the next entry. Throws Error (usage) if the input ends within a """ message, and what LineSource throws.
  ChatEntry next();

  /// Returns the number of the line that was read last, from 1 on.
  std::size_t line() const { return read_; }

 private:
  Line read(const std::string& prompt);
  ChatEntry quoted(std::string_view begin, std::size_t line);

  LineSource& lines_;
  std::size_t read_ = 0;  // lines
};

}  // namespace kiln::cli
