// Progress goes to stderr, where it disturbs no result.
#include "kiln/train/progress.h"

#include "kiln/core/log.h"
#include "kiln/core/progress_bar.h"
#include "kiln/core/terminal.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <cstdio>
#include <optional>
#include <unistd.h>
#include <vector>

namespace kiln {
namespace {

constexpr int kMostImportant = 4;

/// Part of a progress line; those of less importance go first where room is short.
struct ProgressFigure {
  int importance;
  std::string text;
};

constexpr int kBarWidth = 20;

std::string text_of(const std::optional<double>& value, const char* name, int decimals) {
  return fmt::format("{} {}", name, value ? fmt::format("{:.{}f}", *value, decimals) : "not finite");
}

/// A line of figures that leaves out the least important ones where it would be wider than `width`.
std::string fitted(const std::vector<ProgressFigure>& figures, std::size_t width) {
  for (int least = 0;; ++least) {
    std::string line;
    bool is_shortest = true;
    for (const ProgressFigure& figure : figures) {
      if (figure.importance < least) continue;
      is_shortest = is_shortest && figure.importance == kMostImportant;
      line += (line.empty() ? "" : "  ") + figure.text;
    }
    if (line.size() <= width || is_shortest) return line.substr(0, width);
  }
}

}  // namespace

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(is_terminal(STDERR_FILENO)) {}

Progress::~Progress() {
  if (line_shown_) std::fputs("\n", stderr);
}

void Progress::step(const MetricsRow& row, double share_of_peak, const Horizon& horizon, double remaining_seconds) {
  if (quiet_) return;
  const std::string total = fmt::format("{:.0f}", horizon.total_steps());
  std::vector<ProgressFigure> figures{{kMostImportant, fmt::format("step {:>{}}/{}{}", row.step, total.size(),
                                                                   horizon.is_estimate() ? "~" : "", total)},
                                      {kMostImportant, text_of(row.loss, "loss", 4)},
                                      {0, fmt::format("lr {:.2e}", row.learning_rate.value_or(0))},
                                      {1, text_of(row.grad_norm, "grad norm", 3)},
                                      {2, format_count(std::llround(row.tokens_per_second.value_or(0))) + " tokens/s"},
                                      {1, fmt::format("{:.0f}% of peak", 100 * share_of_peak)}};
  if (!horizon.is_reached()) figures.push_back({3, "ETA " + format_duration(remaining_seconds)});
  if (!terminal_) {
    spdlog::info(fitted(figures, std::string::npos));
    return;
  }
  const auto width = static_cast<std::size_t>(output_width(STDERR_FILENO) - 1);  // a full line would wrap
  std::string line = fitted(figures, width);
  const bool has_room = line.size() + kBarWidth + 1 <= width;
  const std::string bar = has_room ? bar_of(horizon.progress(), kBarWidth) + " " : "";
  std::fputs(("\r\033[K" + bar + line).c_str(), stderr);  // a terminal that has gone away is no error
  std::fflush(stderr);
  line_shown_ = true;
}

void Progress::message(const std::string& text) {
  if (quiet_) return;
  clear();
  log_lines(spdlog::level::info, text);
}

void Progress::warning(const std::string& text) {
  clear();
  log_lines(spdlog::level::warn, text);
}

void Progress::clear() {
  if (line_shown_) std::fputs("\r\033[K", stderr);
  line_shown_ = false;
}

}  // namespace kiln
