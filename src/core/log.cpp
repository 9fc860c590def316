// Marks messages of several lines through spdlog's source location.
#include "kiln/core/log.h"

#include <spdlog/spdlog.h>

namespace kiln {
namespace {

constexpr const char* kLines = "kiln: a text of several lines";

}  // namespace

void log_lines(spdlog::level::level_enum level, std::string_view text) {
  spdlog::default_logger_raw()->log(spdlog::source_loc{kLines, 1, ""}, level, spdlog::string_view_t(text));
}

bool has_lines(const spdlog::details::log_msg& message) { return message.source.filename == kLines; }

}  // namespace kiln
