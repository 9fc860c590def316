// What a person sees of a run: on a terminal one line that is rewritten at least once a second, plain lines elsewhere.
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

/// How much of a run is shown. Converts from "quiet".
struct Shown {
  Shown(bool is_quiet, bool wants_live = true) : quiet(is_quiet), live(wants_live) {}

  bool quiet;  // warnings alone
  bool live;   // the line that is rewritten between log rows too, where stderr is a terminal
};

class Progress {
 public:
  explicit Progress(Shown shown);
  ~Progress();  // leaves the terminal on a line of its own
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// The figures of a log row, the share of the machine's measured peak at which it ran, and the time that the run is
  /// expected to take from here to its horizon.
  void step(const MetricsRow& row, double share_of_peak, const Horizon& horizon, double remaining_seconds);

  /// Whether there is a line to keep up to date between log rows, by the next three.
  bool is_live() const { return live_; }

  /// The figures of a step, of which nothing is logged. Cheap: the line is drawn twice a second by a thread.
  void live(const MetricsRow& row, const Horizon& horizon, std::optional<double> remaining_seconds);

  /// What is at work from now on ("step 13", "evaluating"), and the share of it that is done.
  void at_work(std::string what);
  void set_share(double share);

  /// A line that stays.
  void message(const std::string& text);
  void warning(const std::string& text);

  /// The same for an answer to a person, on any thread, with --quiet too.
  void answer(const std::string& text);

  /// Nothing is drawn from here on.
  void end();

 private:
  /// What the line is made of.
  struct Standing {
    MetricsRow row;
    double share_of_peak = 0;  // 0: not measured yet
    std::string total;         // steps, "~2000"
    double progress = 0;
    std::optional<double> remaining_seconds;
    double at = 0;  // when it was told, by the stopwatch
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
  std::mutex mutex_;  // of all that follows, and of what is on the terminal
  std::condition_variable ended_;
  bool has_ended_ = false;
  bool line_shown_ = false;
  Standing standing_;
  std::thread drawing_;
};

}  // namespace kiln
