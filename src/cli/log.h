// The program's log: for people, on stderr, so that stdout holds results alone.
#pragma once

namespace kiln::cli {

/// Makes spdlog's default logger one that writes to stderr, in colour on a terminal, and that escapes what a terminal
/// would obey in a message; line feeds too, except in a text from log_lines.
void set_up_log();

}  // namespace kiln::cli
