// Computes the axis of a figure: its range, scale, and ticks at round values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kiln {

struct Tick {
  double value;
  std::string label;
};

struct Axis {
  double low = 0;
  double high = 1;
  bool logarithmic = false;
  std::vector<Tick> ticks;  // within the range, ascending

  /// Returns the position of a value on the axis: 0 at the low end, 1 at the high end, clamped to [0, 1].
  double share(double value) const;
};

/// Returns an axis of whole numbers, such as steps. It ends where the data end, and starts at 0 if they start near 0.
/// `wanted` is the approximate number of ticks, `finest` the smallest distance between them. Requires low <= high.
Axis count_axis(double low, double high, int wanted, double finest = 1);

/// Returns an axis of measurements with a small margin at both ends. It is logarithmic if all values are positive and
/// the largest is more than 100 times the smallest. Ticks are 1, 2 or 5 times a power of ten apart; on a logarithmic
/// axis they are at powers of ten, or at 1, 2 and 5 times these. Requires low <= high.
Axis value_axis(double low, double high, int wanted);

/// Formats a count as it is up to 999,999, larger ones to three digits: "768", "1.54M", "38.4B".
std::string short_count(std::int64_t count);

}  // namespace kiln
