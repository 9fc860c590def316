// Logs messages of several lines; the log puts all others on one line.
#pragma once

#include <spdlog/common.h>

#include <string_view>

namespace spdlog::details {
struct log_msg;
}

namespace kiln {

/// Logs a text and keeps its line feeds. Names from outside in it must be printable already, as in an Error's text.
void log_lines(spdlog::level::level_enum level, std::string_view text);

/// Returns whether log_lines logged the message. The logger puts all others on one line, see cli/log.
bool has_lines(const spdlog::details::log_msg& message);

}  // namespace kiln
