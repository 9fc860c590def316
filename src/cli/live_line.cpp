// Writes progress to stderr, separate from results. A thread redraws the line, also during long steps.
#include "cli/live_line.h"

#include "kiln/core/format.h"
#include "kiln/core/terminal.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "cli/log.h"
#include "cli/progress_bar.h"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <unistd.h>
#include <utility>
#include <vector>

namespace kiln::cli {
namespace {

constexpr int kMostImportant = 4;

/// Part of a progress line. The least important ones are dropped first.
struct ProgressFigure {
  int importance;
  std::string text;
};

constexpr int kBarWidth = 20;
constexpr std::chrono::milliseconds kRedraw{500};
constexpr double kNotableLag = 1e-3;  // seconds
constexpr double kLongWork = 1;       // seconds after which the line names the work

std::string text_of(const std::optional<double>& value, const char* name, int decimals) {
  return fmt::format("{} {}", name, value ? fmt::format("{:.{}f}", *value, decimals) : "not finite");
}

/// Returns a line of figures, without the least important ones if it would exceed `width`.
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

/// Writes the share of a piece of work into the line.
class LiveLine::WorkMeter final : public Meter {
 public:
  WorkMeter(LiveLine& line, const std::string& what, double total) : line_(line), total_(total) { line.set_work(what); }

  void show(double done) override {
    const std::lock_guard lock(line_.mutex_);
    line_.standing_.work_share = done / total_;
  }

 private:
  LiveLine& line_;
  double total_;
};

LiveLine::LiveLine(Shown shown)
    : quiet_(shown.quiet),
      terminal_(is_terminal(STDERR_FILENO)),
      live_(terminal_ && shown.live && !shown.quiet),
      before_(set_reporter(this)) {}

LiveLine::~LiveLine() {
  end();
  if (line_shown_) std::fputs("\n", stderr);
  set_reporter(before_);
}

std::unique_ptr<Meter> LiveLine::meter(const std::string& what, double total, const std::string& unit) {
  if (live_) return std::make_unique<WorkMeter>(*this, what, total);
  return before_ != nullptr ? before_->meter(what, total, unit) : nullptr;
}

void LiveLine::show_row(const StepFigures& figures, double share_of_peak) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  standing_.share_of_peak = share_of_peak;
  tell(figures, figures.row.tokens_per_second);
  terminal_ ? draw() : spdlog::info(line(std::string::npos));
}

void LiveLine::show_step(const StepFigures& figures) {
  if (!live_) return;
  const std::lock_guard lock(mutex_);
  tell(figures, figures.tokens_per_second);
  standing_.work.clear();
  standing_.work_share.reset();
  if (!drawing_.joinable() && !has_ended_) drawing_ = std::thread([this] { keep_drawing(); });
}

void LiveLine::set_work(std::string what) {
  if (!live_) return;
  const std::lock_guard lock(mutex_);
  standing_.work = std::move(what);
  standing_.work_begun = stopwatch_.seconds();
  standing_.work_share.reset();
}

void LiveLine::tell(const StepFigures& figures, std::optional<double> tokens_per_second) {
  const TrainingLength& training_length = figures.training_length;
  standing_.row = figures.row;
  standing_.row.tokens_per_second = tokens_per_second;
  const double total = training_length.total_steps();  // with a time budget unknown before the first step
  standing_.total = total < kEndless ? fmt::format("{}{:.0f}", training_length.is_estimate() ? "~" : "", total) : "?";
  standing_.progress = training_length.progress();
  standing_.remaining_seconds = figures.remaining_seconds;
  standing_.at = stopwatch_.seconds();
}

std::string LiveLine::line(std::size_t width) const {
  const MetricsRow& row = standing_.row;
  const double now = stopwatch_.seconds(), working = now - standing_.work_begun;
  const std::size_t digits = standing_.total.size() - (standing_.total.starts_with('~') ? 1 : 0);
  std::vector<ProgressFigure> figures{
      {kMostImportant, fmt::format("step {:>{}}/{}", row.step, digits, standing_.total)}};
  if (row.learning_rate) {  // else no step was taken
    figures.push_back({kMostImportant, row.reward ? text_of(row.reward, "reward", 4) : text_of(row.loss, "loss", 4)});
    if (row.kl_k3) figures.push_back({2, text_of(row.kl_k3, "KL", 3)});
    figures.push_back({0, fmt::format("lr {:.2e}", *row.learning_rate)});
    figures.push_back({1, text_of(row.grad_norm, "grad norm", 3)});
    figures.push_back({2, format_count(std::llround(row.tokens_per_second.value_or(0))) + " tokens/s"});
    if (standing_.share_of_peak > 0) {
      figures.push_back({1, fmt::format("{:.0f}% of peak", 100 * standing_.share_of_peak)});
    }
    if (row.waiting) {
      figures.push_back({1, fmt::format("waits {:.0f}%", 100 * *row.waiting)});
      if (*row.lag >= kNotableLag) {
        figures.push_back({1, fmt::format("rank {:.0f} is {} behind", *row.slowest_rank, format_duration(*row.lag))});
      }
    }
  }
  if (const auto& remaining = standing_.remaining_seconds) {
    figures.push_back({3, "ETA " + format_duration(std::max(0.0, *remaining - (now - standing_.at)))});
  }
  if (live_ && !standing_.work.empty() && (working >= kLongWork || standing_.work_share)) {
    figures.push_back({2, standing_.work_share ? fmt::format("{} {:.0f}%", standing_.work, 100 * *standing_.work_share)
                                               : fmt::format("{}: {:.0f} s", standing_.work, working)});
  }
  return fitted(figures, width);
}

void LiveLine::draw() {
  const auto width = static_cast<std::size_t>(output_width(STDERR_FILENO) - 1);  // a full line would wrap
  const std::string text = line(width);
  const bool has_room = text.size() + kBarWidth + 1 <= width;
  const std::string bar = has_room ? bar_of(standing_.progress, kBarWidth) + " " : "";
  std::fputs(("\r\033[K" + bar + text).c_str(), stderr);  // a closed terminal is no error
  std::fflush(stderr);
  line_shown_ = true;
}

void LiveLine::keep_drawing() {
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, kRedraw, [&] { return has_ended_; })) draw();
}

void LiveLine::end() {
  std::unique_lock lock(mutex_);
  has_ended_ = true;
  std::thread drawing = std::exchange(drawing_, {});
  lock.unlock();
  ended_.notify_all();
  if (drawing.joinable()) drawing.join();
}

void LiveLine::message(Severity severity, const std::string& text) {
  if (quiet_ && severity == Severity::info) return;
  const std::lock_guard lock(mutex_);
  clear();
  spdlog::log(severity == Severity::warning ? spdlog::level::warn : spdlog::level::info, "{}", text);
}

void LiveLine::lines(const std::string& text) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  clear();
  log_lines(spdlog::level::info, text);
}

void LiveLine::answer(const std::string& text) {
  const std::lock_guard lock(mutex_);
  line_shown_ = terminal_;  // also clears other output there: a progress bar, ^C
  clear();
  quiet_ ? spdlog::warn(text) : spdlog::info(text);
}

void LiveLine::clear() {
  if (line_shown_) std::fputs("\r\033[K", stderr);
  line_shown_ = false;
}

}  // namespace kiln::cli
