// What a person sees of a run: one rewritten line on a terminal, plain lines elsewhere.
#pragma once

#include "kiln/core/format.h"
#include "kiln/run/metrics.h"
#include "kiln/train/horizon.h"

#include <mutex>
#include <string>

namespace kiln {

class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();  // leaves the terminal on a line of its own

  /// The figures of a step, the share of the machine's measured peak at which it ran, and the time that the run is
  /// expected to take from here to its horizon.
  void step(const MetricsRow& row, double share_of_peak, const Horizon& horizon, double remaining_seconds);

  /// A line that stays.
  void message(const std::string& text);
  void warning(const std::string& text);

  /// The same for an answer to a person, on any thread, with --quiet too.
  void answer(const std::string& text);

 private:
  void clear();

  bool quiet_;
  bool terminal_;
  std::mutex mutex_;  // of what is on the terminal
  bool line_shown_ = false;
};

}  // namespace kiln
