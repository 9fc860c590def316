// Shows progress: a redrawn line on a terminal, or a line in the log now and then.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

namespace kiln {

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
class ProgressBar {
 public:
  /// `unit` is what `total` counts: "bytes", or a plural noun; empty to show a percentage without a rate.
  ProgressBar(std::string what, double total, std::string unit, ProgressDisplay display = ProgressDisplay::of_stderr());
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Adds to the work done. Thread-safe.
  void add(double done);

  /// Sets the share of the total that is done.
  void set_share(double share) { add(share * total_ - done_); }

  /// Adds to the work done of the newest bar, if there is one: for code that has no access to the bar.
  static void advance(std::int64_t done);

  /// Makes advance() ignore the calling thread from here on: for background work.
  static void detach_this_thread();

 private:
  void draw(double seconds);
  std::string rate_text(double rate) const;

  std::string what_;
  double total_;
  std::string unit_;
  ProgressDisplay display_;
  double begun_;                   // by the display's clock
  std::atomic<double> done_ = 0;   // of the total
  std::atomic<double> next_draw_;  // by the display's clock
  std::mutex drawing_;
  bool shown_ = false;
  ProgressBar* outer_;  // the previous newest bar
};

/// Returns a bar of `width` characters, filled from the left up to `share`.
std::string bar_of(double share, int width);

}  // namespace kiln
