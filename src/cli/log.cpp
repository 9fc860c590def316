// Makes messages printable before any sink sees them, on the terminal and in a run's own log.
#include "cli/log.h"

#include "kiln/core/log.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/terminal.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace kiln::cli {
namespace {

/// Writes "warning: " and the like before messages of levels other than info.
class LevelPrefix final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    if (message.level == spdlog::level::info) return;
    const spdlog::string_view_t name = spdlog::level::to_string_view(message.level);
    out.append(name.data(), name.data() + name.size());
    const std::string_view end = ": ";
    out.append(end.data(), end.data() + end.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelPrefix>(); }
};

class PrintableLogger final : public spdlog::logger {
 public:
  using logger::logger;

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string_view text(message.payload.data(), message.payload.size());
    const std::string shown = has_lines(message) ? printable_lines(text) : printable(text);
    spdlog::details::log_msg safe = message;
    safe.payload = shown;
    logger::sink_it_(safe);
  }
};

}  // namespace

void set_up_log() {
  const bool color = output_has_color(STDERR_FILENO);
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(color ? spdlog::color_mode::automatic
                                                                          : spdlog::color_mode::never);
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelPrefix>('*').set_pattern("%^%*%$%v");
  auto logger = std::make_shared<PrintableLogger>("kiln", std::move(sink));
  logger->set_formatter(std::move(formatter));
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace kiln::cli
