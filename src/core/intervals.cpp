// The variance of a share of grouped trials is that of a ratio of sums over independent groups.
#include "kiln/core/intervals.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kiln {

std::pair<double, double> wilson_interval(double hits, double trials) {
  constexpr double z = kNormalQuantile;
  const double p = hits / trials, scale = 1 + z * z / trials;
  const double middle = (p + z * z / (2 * trials)) / scale;
  const double half = z * std::sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials)) / scale;
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

Share share_of(std::span<const TrialGroup> groups) {
  double hits = 0, trials = 0, filled = 0;
  for (const TrialGroup& group : groups) {
    hits += group.hits;
    trials += group.trials;
    filled += group.trials > 0 ? 1 : 0;
  }
  if (trials == 0) {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    return {.value = kNone, .low = kNone, .high = kNone, .trials = 0};
  }
  const double p = hits / trials;
  double squares = 0;
  for (const TrialGroup& group : groups) squares += std::pow(group.hits - p * group.trials, 2);
  const double variance = squares / (trials * trials);
  const bool is_pure = hits == 0 || hits == trials;
  double independent = is_pure || filled == 1 ? filled : trials;
  if (!is_pure && filled > 1 && variance > 0) independent = std::min(p * (1 - p) / variance, trials);
  const auto [low, high] = wilson_interval(p * independent, independent);
  return {.value = p, .low = low, .high = high, .trials = trials};
}

}  // namespace kiln
