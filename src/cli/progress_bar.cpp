// Draws on the first thread that finds a redraw due; the others do not wait for it.
#include "cli/progress_bar.h"

#include "kiln/core/format.h"
#include "kiln/core/stopwatch.h"
#include "kiln/core/terminal.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <unistd.h>
#include <utility>

namespace kiln::cli {
namespace {

constexpr double kPatienceSeconds = 2;  // before a bar is shown
constexpr double kRedrawSeconds = 0.1;
constexpr double kLogSeconds = 10;
constexpr int kProgressBarWidth = 20;
constexpr const char* kWipe = "\r\033[K";

}  // namespace

ProgressDisplay ProgressDisplay::of_stderr() {
  ProgressDisplay display;
  display.seconds = [stopwatch = Stopwatch()] { return stopwatch.seconds(); };
  if (!spdlog::should_log(spdlog::level::info)) return display;
  display.terminal = is_terminal(STDERR_FILENO);
  display.color = output_has_color(STDERR_FILENO);
  display.width = output_width(STDERR_FILENO);
  display.print = [terminal = display.terminal](const std::string& text) {
    if (!terminal) return spdlog::info(text);
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
  };
  return display;
}

ProgressBar::ProgressBar(std::string what, double total, std::string unit, ProgressDisplay display)
    : what_(std::move(what)),
      total_(total),
      unit_(std::move(unit)),
      display_(std::move(display)),
      begun_(display_.seconds()),
      next_draw_(begun_ + (display_.terminal ? kPatienceSeconds : kLogSeconds)) {}

ProgressBar::~ProgressBar() {
  if (shown_ && display_.terminal) display_.print(kWipe);
}

void ProgressBar::show(double done) {
  if (!display_.print) return;
  const double now = display_.seconds();
  if (now < next_draw_) return;
  const std::unique_lock lock(drawing_, std::try_to_lock);
  if (lock.owns_lock() && now >= next_draw_) draw(done, now);
}

std::string ProgressBar::rate_text(double rate) const {
  if (unit_.empty()) return "";
  if (unit_ == "bytes") return "  " + format_bytes(rate) + "/s";
  return fmt::format("  {} {}/s", rate < 10 ? fmt::format("{:.2g}", rate) : grouped(rate), unit_);
}

void ProgressBar::draw(double done, double seconds) {
  next_draw_ = seconds + (display_.terminal ? kRedrawSeconds : kLogSeconds);
  const double share = total_ > 0 ? std::clamp(done / total_, 0.0, 1.0) : 1;
  const double rate = done / (seconds - begun_);
  std::string figures = fmt::format("{:3.0f}%{}", 100 * share, rate_text(rate));
  if (share > 0 && share < 1) figures += "  ETA " + format_duration((seconds - begun_) * (1 - share) / share);
  if (!display_.terminal) return display_.print(fmt::format("{}: {}", what_, figures));

  const int columns = display_.width - 1;  // a full line would wrap
  std::string line = fmt::format("{}  {}", what_, figures).substr(0, static_cast<std::size_t>(std::max(columns, 0)));
  if (std::ssize(line) + kProgressBarWidth + 2 <= columns) {
    const std::string bar = bar_of(share, kProgressBarWidth);
    line = fmt::format("{}  {}  {}", what_, display_.color ? "\033[36m" + bar + "\033[0m" : bar, figures);
  }
  display_.print(kWipe + line);
  shown_ = true;
}

std::string bar_of(double share, int width) {
  std::string text;
  for (int i = 0; i < width; ++i) text += i < static_cast<int>(share * width) ? "━" : "─";
  return text;
}

}  // namespace kiln::cli
