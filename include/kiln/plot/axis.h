// The axis of a figure: a range, a scale, and ticks at round values.
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
  std::vector<Tick> ticks;  // within the range, rising

  /// Where a value lies: 0 at the low end, 1 at the high end, never outside.
  double share(double value) const;
};

/// An axis of whole numbers, such as steps, that ends where the data end and starts at 0 where they start near it.
/// `wanted` is about how many ticks there should be, `finest` how close they may be. low <= high.
Axis count_axis(double low, double high, int wanted, double finest = 1);

/// An axis of measurements with a little room at both ends; logarithmic where all are positive and the largest is more
/// than 100 times the smallest. Ticks are 1, 2 or 5 times a power of ten apart. low <= high.
Axis value_axis(double low, double high, int wanted);

/// A count for people, in three digits or as it is: "768", "1.54M", "38.4B".
std::string short_count(std::int64_t count);

}  // namespace kiln
