// Sets up the program's log: for people, on stderr, so that stdout contains only results.
#pragma once

#include <spdlog/common.h>

#include <filesystem>
#include <string_view>

namespace kiln::cli {

/// Makes spdlog's default logger write to stderr, in colour on a terminal, and shows the library's reports there.
/// Escapes control characters in messages, including line feeds except in text from log_lines.
void set_up_log();

/// Drops the library's messages while it lives, but not the progress of its work.
class MutedMessages {
 public:
  MutedMessages();
  ~MutedMessages();
  MutedMessages(const MutedMessages&) = delete;
  MutedMessages& operator=(const MutedMessages&) = delete;
};

/// Adds a file, with times, to the log. Appends each message completely or not at all. Throws Error (io).
void log_to(const std::filesystem::path& path);

/// Logs a text and keeps its line feeds. Names from outside in it must be printable already, as in an Error's text.
void log_lines(spdlog::level::level_enum level, std::string_view text);

}  // namespace kiln::cli
