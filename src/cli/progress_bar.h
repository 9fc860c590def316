// Shows progress: a redrawn line on a terminal, or a line in the log now and then.
#pragma once

#include "kiln/core/report.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

namespace kiln::cli {

/// Where a bar is shown, and its clock.
struct ProgressDisplay {
  bool terminal = false;
  bool color = false;
  int width = 80;                                 // columns
  std::function<double()> seconds;                // since an arbitrary start
  std::function<void(const std::string&)> print;  // bytes for a terminal, or a line for the log; empty: show nothing

  /// Returns stderr with a steady clock. Shows nothing if the log level excludes information (--quiet).
  static ProgressDisplay of_stderr();
};

/// Shows the progress of work of a known size. A terminal gets a bar with the rate and the time left: after two
/// seconds, redrawn at most ten times a second, erased at the end. A log gets a line every ten seconds.
class ProgressBar final : public Meter {
 public:
  /// `unit` as in Reporter::meter; without one the bar shows no rate.
  ProgressBar(std::string what, double total, std::string unit, ProgressDisplay display = ProgressDisplay::of_stderr());
  ~ProgressBar() override;

  void show(double done) override;

 private:
  void draw(double done, double seconds);
  std::string rate_text(double rate) const;

  std::string what_;
  double total_;
  std::string unit_;
  ProgressDisplay display_;
  double begun_;                   // by the display's clock
  std::atomic<double> next_draw_;  // by the display's clock
  std::mutex drawing_;
  bool shown_ = false;
};

/// Returns a bar of `width` characters, filled from the left up to `share`.
std::string bar_of(double share, int width);

}  // namespace kiln::cli
