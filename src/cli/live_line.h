// Shows a run's progress: on a terminal by one line, rewritten at least once a second, elsewhere by plain lines.
#pragma once

#include "kiln/core/report.h"
#include "kiln/core/stopwatch.h"
#include "kiln/run/metrics.h"
#include "kiln/train/training_monitor.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace kiln::cli {

/// How much of a run is shown. Converts from `quiet`.
struct Shown {
  Shown(bool is_quiet, bool wants_live = true) : quiet(is_quiet), live(wants_live) {}

  bool quiet;  // warnings only
  bool live;   // rewrite the line between log rows too, if stderr is a terminal
};

/// During its lifetime, it is the program's reporter, so that messages do not disturb the line.
class LiveLine final : public Reporter {
 public:
  explicit LiveLine(Shown shown);
  ~LiveLine() override;  // leaves the terminal on a line of its own

  /// Shows a row of metrics.jsonl, and the share of the machine's measured peak that it reached.
  void show_row(const StepFigures& figures, double share_of_peak);

  /// Returns true if the line is updated between rows, by the next two functions.
  bool is_live() const { return live_; }

  /// Shows the figures of a step without logging them. Cheap: a thread draws the line twice a second.
  void show_step(const StepFigures& figures);

  /// Sets the current work: "step 13", "saving".
  void set_work(std::string what);

  /// Logs a line, or several.
  void message(Severity severity, const std::string& text) override;
  void lines(const std::string& text);

  /// Logs a line even with --quiet. May be called from any thread.
  void answer(const std::string& text);

  /// Shows the share of the work that is done in the line, or by a bar if there is no live line.
  std::unique_ptr<Meter> meter(const std::string& what, double total, const std::string& unit) override;

  /// Stops drawing.
  void end();

 private:
  /// The contents of the line.
  struct Standing {
    MetricsRow row;
    double share_of_peak = 0;  // 0: not measured yet
    std::string total;         // steps, "~2000"
    double progress = 0;
    std::optional<double> remaining_seconds;
    double at = 0;  // time of the update, by the stopwatch
    std::string work;
    double work_begun = 0;
    std::optional<double> work_share;
  };

  class WorkMeter;

  void tell(const StepFigures& figures, std::optional<double> tokens_per_second);
  std::string line(std::size_t width) const;
  void draw();
  void keep_drawing();
  void clear();

  bool quiet_;
  bool terminal_;
  bool live_;
  Stopwatch stopwatch_;
  std::mutex mutex_;  // guards the members below and the terminal
  std::condition_variable ended_;
  bool has_ended_ = false;
  bool line_shown_ = false;
  Standing standing_;
  std::thread drawing_;
  Reporter* before_;  // last: reports arrive as soon as it is set
};

}  // namespace kiln::cli
