// Finds the samples that a training has written to its log.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace kiln {

/// A text that the model wrote at an evaluation (kiln train --watch-samples).
struct LoggedSample {
  std::int64_t step = 0;
  std::string time;  // as the log has it, such as "2026-01-31 12:00:00"
  std::string text;  // control characters are escaped, as in the log
};

/// Takes the lines of a train.log. Keeps the latest 200 samples, each cut after 64 KiB.
class SampleLog {
 public:
  void add(std::string_view line);
  void clear() { *this = SampleLog(); }

  /// Returns the samples by step. A sample of a step, and those of later ones, are gone once an earlier step has
  /// another: the run was resumed from there.
  const std::deque<LoggedSample>& samples() const { return samples_; }

 private:
  std::deque<LoggedSample> samples_;
  bool is_in_sample_ = false;
  std::size_t blank_lines_ = 0;  // of a sample, that count only once a line follows them
};

}  // namespace kiln
