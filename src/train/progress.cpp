// Progress goes to stderr, where it disturbs no result.
#include "kiln/train/progress.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <cstdio>
#include <unistd.h>

namespace kiln {
namespace {

constexpr int kBarWidth = 20;

std::string bar(double share) {
  std::string text;
  for (int i = 0; i < kBarWidth; ++i) text += i < static_cast<int>(share * kBarWidth) ? "━" : "─";
  return text;
}

}  // namespace

Progress::Progress(std::int64_t total_steps, bool quiet)
    : total_steps_(total_steps), quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (line_shown_) std::fputs("\n", stderr);
}

void Progress::step(const MetricsRow& row, double remaining_seconds) {
  if (quiet_) return;
  const std::string figures = fmt::format(
      "step {:>{}}/{}  loss {}  lr {:.2e}  grad norm {}  {} tokens/s  ETA {}", row.step,
      std::to_string(total_steps_).size(), total_steps_, row.loss ? fmt::format("{:.4f}", *row.loss) : "not finite",
      row.learning_rate.value_or(0), row.grad_norm ? fmt::format("{:.3f}", *row.grad_norm) : "not finite",
      format_count(std::llround(row.tokens_per_second.value_or(0))), format_duration(remaining_seconds));
  if (!terminal_) {
    spdlog::info(figures);
    return;
  }
  const double share = static_cast<double>(row.step) / static_cast<double>(total_steps_);
  fmt::print(stderr, "\r\033[K{} {}", bar(share), figures);
  std::fflush(stderr);
  line_shown_ = true;
}

void Progress::message(const std::string& text) {
  if (quiet_) return;
  clear();
  spdlog::info(text);
}

void Progress::warning(const std::string& text) {
  clear();
  spdlog::warn(text);
}

void Progress::clear() {
  if (line_shown_) std::fputs("\r\033[K", stderr);
  line_shown_ = false;
}

}  // namespace kiln
