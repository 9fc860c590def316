// How the values of a tensor are spread: counts in buckets that grow with the distance from zero.
#pragma once

#include <span>
#include <vector>

namespace kiln {

/// Of the finite values. Bucket i holds those between limits[i - 1] (the first: min) and limits[i]; the limits rise.
/// A bucket is at most an eighth of its values' magnitude wide; values under a thousandth of the largest magnitude
/// share one. No values have no buckets.
struct Histogram {
  double min = 0, max = 0;
  double count = 0;
  double sum = 0, sum_of_squares = 0;
  std::vector<double> limits;
  std::vector<double> counts;
};

Histogram histogram_of(std::span<const float> values);

}  // namespace kiln
