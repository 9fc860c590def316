// Makes ranges finite and wider than zero first, so that all later code may divide by their width.
#include "kiln/plot/axis.h"

#include "kiln/core/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

constexpr double kLargest = 1e250;   // larger values are clamped, so that widths cannot overflow
constexpr double kNarrowest = 1e-9;  // relative to the values: a narrower range counts as empty
constexpr double kMargin = 0.04;     // of a value axis, at either end
constexpr double kLogRatio = 100;    // a positive range with a larger ratio is logarithmic
constexpr double kNearZero = 0.1;  // relative to the last step: if the first step is at most this, the axis starts at 0
constexpr double kMostDecimals = 1e-6;  // finer steps are labelled in scientific notation

/// Makes the range finite, and widens it if its ends are (nearly) equal.
void make_sound(Axis& axis) {
  axis.low = std::clamp(axis.low, -kLargest, kLargest);
  axis.high = std::clamp(axis.high, axis.low, kLargest);
  const double size = std::max(std::abs(axis.low), std::abs(axis.high));
  if (axis.high - axis.low > kNarrowest * size) return;
  const double room = size > 0 ? 0.1 * size : 1;
  axis.low -= room;
  axis.high += room;
}

/// Returns the round number nearest to `step`: 1, 2, 5 or 10 times a power of ten.
double round_step(double step) {
  const double power = std::pow(10, std::floor(std::log10(step)));
  const double digit = step / power;
  return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

/// Returns a tick's label, with the precision of the distance between ticks.
std::string label_of(double value, double step) {
  if (step >= 1e9 || step < kMostDecimals) return fmt::format("{:.6g}", value);
  if (step >= 1e6) return grouped(value / 1e6) + "M";
  return grouped(value, std::max(0, static_cast<int>(-std::floor(std::log10(step) + kNarrowest))));
}

void add_linear_ticks(Axis& axis, double step) {
  const double slack = kNarrowest * (axis.high - axis.low);
  const double first = std::ceil((axis.low - slack) / step);
  const double count = std::floor((axis.high + slack) / step) - first;
  for (int i = 0; i <= count; ++i) {
    const double value = (first + i) * step + 0.0;  // avoids -0
    axis.ticks.push_back({value, label_of(value, step)});
  }
}

/// Adds powers of ten, thinned to about `wanted`; if they are few, also 2 and 5 times each.
void add_log_ticks(Axis& axis, int wanted) {
  const double decades = std::log10(axis.high) - std::log10(axis.low);
  const int stride = std::max(1, static_cast<int>(std::lround(decades / wanted)));
  const bool fine = 3 * decades <= 1.5 * wanted;
  const int last = static_cast<int>(std::floor(std::log10(axis.high)));
  int exponent = static_cast<int>(std::floor(std::log10(axis.low)));
  exponent -= ((exponent % stride) + stride) % stride;
  for (; exponent <= last; exponent += stride) {
    for (const int digit : {1, 2, 5}) {
      const double value = digit * std::pow(10, exponent);
      if (value < axis.low || value > axis.high || (digit > 1 && !fine)) continue;
      axis.ticks.push_back({value, exponent >= 3 && exponent < 7 ? grouped(value) : fmt::format("{:.3g}", value)});
    }
  }
}

}  // namespace

double Axis::share(double value) const {
  const auto scaled = [&](double each) { return logarithmic ? std::log(std::max(each, low)) : each; };
  const double where = (scaled(value) - scaled(low)) / (scaled(high) - scaled(low));
  return std::clamp(where, 0.0, 1.0);
}

Axis count_axis(double low, double high, int wanted, double finest) {
  Axis axis;
  axis.low = low >= 0 && low <= kNearZero * high ? 0 : low;
  axis.high = high;
  if (axis.low == axis.high) axis.high += 1;
  make_sound(axis);
  add_linear_ticks(axis, std::max(finest, round_step((axis.high - axis.low) / wanted)));
  return axis;
}

Axis value_axis(double low, double high, int wanted) {
  Axis axis;
  axis.low = low;
  axis.high = high;
  make_sound(axis);
  axis.logarithmic = axis.low > 1 / kLargest && axis.high / kLogRatio > axis.low;
  if (axis.logarithmic) {
    const double room = std::pow(axis.high, kMargin) / std::pow(axis.low, kMargin);
    axis.low /= room;
    axis.high *= room;
    add_log_ticks(axis, wanted);
  } else {
    const double room = kMargin * (axis.high - axis.low);
    axis.low -= room;
    axis.high += room;
    add_linear_ticks(axis, round_step((axis.high - axis.low) / wanted));
  }
  return axis;
}

std::string short_count(std::int64_t count) {
  const auto value = static_cast<double>(count);
  for (const auto& [unit, name] : {std::pair(1e12, 'T'), std::pair(1e9, 'B'), std::pair(1e6, 'M')}) {
    if (value >= unit) return fmt::format("{:.3g}{}", value / unit, name);
  }
  return grouped(value);
}

}  // namespace kiln
