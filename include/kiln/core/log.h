// Messages of several lines, in a log that otherwise keeps each message on one.
#pragma once

#include <spdlog/common.h>

#include <string_view>

namespace spdlog::details {
struct log_msg;
}

namespace kiln {

/// Logs a text whose line feeds stay. Names from outside in it are printable already, as in the text of an Error.
void log_lines(spdlog::level::level_enum level, std::string_view text);

/// Whether log_lines logged the message. All others are for the logger to put on one line, see cli/log.
bool has_lines(const spdlog::details::log_msg& message);

}  // namespace kiln
