// Sets up the program's log: for people, on stderr, so that stdout contains only results.
#pragma once

namespace kiln::cli {

/// Makes spdlog's default logger write to stderr, in colour on a terminal. Escapes control characters in messages,
/// including line feeds except in text from log_lines.
void set_up_log();

}  // namespace kiln::cli
