// Shows a run's progress: on a terminal by one line, rewritten at least once a second, elsewhere by plain lines.
#pragma once

#include "kiln/core/format.h"
#include "kiln/core/stopwatch.h"
#include "kiln/run/metrics.h"
#include "kiln/train/horizon.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace kiln {

/// How much of a run is shown. Converts from `quiet`.
struct Shown {
  Shown(bool is_quiet, bool wants_live = true) : quiet(is_quiet), live(wants_live) {}

  bool quiet;  // warnings only
  bool live;   // rewrite the line between log rows too, if stderr is a terminal
};

class Progress {
 public:
  explicit Progress(Shown shown);
  ~Progress();  // leaves the terminal on a line of its own
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shows the figures of a log row, the share of the machine's measured peak that it reached, and the estimated time
  /// to the horizon.
  void step(const MetricsRow& row, double share_of_peak, const Horizon& horizon, double remaining_seconds);

  /// Returns true if the line is updated between log rows, by the next three functions.
  bool is_live() const { return live_; }

  /// Shows the figures of a step without logging them. Cheap: a thread draws the line twice a second.
  void live(const MetricsRow& row, const Horizon& horizon, std::optional<double> remaining_seconds);

  /// Set the current work ("step 13", "evaluating"), and the share of it that is done.
  void at_work(std::string what);
  void set_share(double share);

  /// Log a line.
  void message(const std::string& text);
  void warning(const std::string& text);

  /// Logs a line even with --quiet. May be called from any thread.
  void answer(const std::string& text);

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

  void tell(const MetricsRow& row, const Horizon& horizon, std::optional<double> remaining_seconds);
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
};

}  // namespace kiln
