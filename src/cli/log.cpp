// Makes messages printable before any sink sees them, on the terminal and in a run's own log.
#include "cli/log.h"

#include "kiln/core/file_streams.h"
#include "kiln/core/report.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/terminal.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "cli/progress_bar.h"
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace kiln::cli {
namespace {

constexpr const char* kLines = "kiln: a text of several lines";  // marks messages, as their source location

std::atomic<bool> is_muted = false;

bool has_lines(const spdlog::details::log_msg& message) { return message.source.filename == kLines; }

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

/// Logs the library's messages, and shows the progress of its work by bars.
class LogReporter final : public Reporter {
 public:
  void message(Severity severity, const std::string& text) override {
    if (is_muted) return;
    spdlog::log(severity == Severity::warning ? spdlog::level::warn : spdlog::level::info, "{}", text);
  }
  std::unique_ptr<Meter> meter(const std::string& what, double total, const std::string& unit) override {
    return std::make_unique<ProgressBar>(what, total, unit);
  }
};

class LogFile final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit LogFile(const std::filesystem::path& path) : lines_(path) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);  // with a newline, which LineAppender adds
    lines_.append(std::string_view(text.data(), text.size() - 1));
  }
  void flush_() override {}

 private:
  LineAppender lines_;
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
  static LogReporter reporter;
  set_reporter(&reporter);
}

MutedMessages::MutedMessages() { is_muted = true; }
MutedMessages::~MutedMessages() { is_muted = false; }

void log_to(const std::filesystem::path& path) {
  auto sink = std::make_shared<LogFile>(path);
  sink->set_pattern("%Y-%m-%d %H:%M:%S %l: %v");
  spdlog::default_logger()->sinks().push_back(std::move(sink));
}

void log_lines(spdlog::level::level_enum level, std::string_view text) {
  spdlog::default_logger_raw()->log(spdlog::source_loc{kLines, 1, ""}, level, spdlog::string_view_t(text));
}

}  // namespace kiln::cli
