// How far a piece of work has come: a line on the terminal that is drawn over, or a line in the log now and then.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

namespace kiln {

/// Where a bar shows itself, and by which clock.
struct ProgressDisplay {
  bool terminal = false;
  bool color = false;
  int width = 80;                                 // columns
  std::function<double()> seconds;                // since some moment
  std::function<void(const std::string&)> print;  // bytes for a terminal, else a line for the log; empty: show nothing

  /// stderr, by the wall's clock; where information is not logged (--quiet), nowhere.
  static ProgressDisplay of_stderr();
};

/// Work of a known size. Nothing is seen of it in its first two seconds; then a terminal has a bar with the rate and
/// the time that is left, redrawn at most ten times a second and wiped away at the end, and a log a line every ten
/// seconds.
class ProgressBar {
 public:
  /// `unit` is what the size counts, "bytes" or the plural of anything else; empty for a share alone, without a rate.
  ProgressBar(std::string what, double total, std::string unit, ProgressDisplay display = ProgressDisplay::of_stderr());
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// More is done. Any thread may say so.
  void add(double done);

  /// So much is done, of the total.
  void set_share(double share) { add(share * total_ - done_); }

  /// More is done of what the newest bar stands for, if there is one: for work deep down that does not know who waits.
  static void advance(std::int64_t done);

  /// From here on, what this thread does counts for no bar: it is at work behind what those stand for.
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
  ProgressBar* outer_;  // the one that was the newest before
};

/// A bar of `width` characters, filled from the left up to the share.
std::string bar_of(double share, int width);

}  // namespace kiln
