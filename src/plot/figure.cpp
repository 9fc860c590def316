// Computes a figure's ranges and legend, and thins and smooths points before they are drawn.
#include "kiln/plot/figure.h"

#include <algorithm>
#include <limits>

namespace kiln {
namespace {

constexpr double kEarlyWindow = 0.1;  // as a share of the points so far

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
};

Range range_of(const Figure& figure, double Point::*coordinate) {
  Range range;
  for (const Series& series : figure.series) {
    for (const Point& point : series.points) {
      range.low = std::min(range.low, point.*coordinate);
      range.high = std::max(range.high, point.*coordinate);
    }
  }
  return range.low <= range.high ? range : Range{0, 1};
}

}  // namespace

bool is_empty(const Figure& figure) {
  return std::all_of(figure.series.begin(), figure.series.end(),
                     [](const Series& series) { return series.points.empty(); });
}

std::vector<Key> legend_of(const Figure& figure) {
  std::vector<Key> keys;
  for (const Series& series : figure.series) {
    if (figure.labels.empty()) {
      keys.push_back({series.name, series.stroke, series.color});
    } else if (std::ranges::find(keys, series.stroke, &Key::stroke) == keys.end()) {
      keys.push_back({series.kind, series.stroke, std::nullopt});
    }
  }
  return keys;
}

Axis x_axis(const Figure& figure, int wanted_ticks) {
  const Range range = range_of(figure, &Point::x);
  return count_axis(range.low, range.high, wanted_ticks, figure.x_is_count ? 1 : 0);
}

Axis y_axis(const Figure& figure, int wanted_ticks) {
  const Range range = range_of(figure, &Point::y);
  return value_axis(range.low, range.high, wanted_ticks);
}

std::vector<Point> thinned(const std::vector<Point>& points, int columns) {
  if (std::ssize(points) <= 2 * columns) return points;
  const double first = points.front().x;
  const double width = points.back().x - first;
  const auto column = [&](const Point& point) {
    return width > 0 ? std::min(static_cast<int>((point.x - first) / width * columns), columns - 1) : 0;
  };
  const auto by_height = [](const Point& a, const Point& b) { return a.y < b.y; };
  std::vector<Point> kept;
  for (auto begin = points.begin(); begin != points.end();) {
    const int here = column(*begin);
    const auto end = std::find_if(begin, points.end(), [&](const Point& point) { return column(point) != here; });
    const auto [lowest, highest] = std::minmax_element(begin, end, by_height);
    kept.push_back(*std::min(lowest, highest));
    if (lowest != highest) kept.push_back(*std::max(lowest, highest));
    begin = end;
  }
  return kept;
}

std::vector<Point> smoothed(const std::vector<Point>& points, double window) {
  struct Sum {
    double values = 0;
    double weights = 0;
  };
  const std::size_t count = points.size();
  const auto extend = [&](Sum& sum, std::size_t i) {
    const double keep = 1 - 1 / std::min(window, 1 + kEarlyWindow * static_cast<double>(i));
    sum = {keep * sum.values + points[i].y, keep * sum.weights + 1};
  };
  std::vector<Sum> before(count);  // over each point and those before it
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) before[i] = before[i - 1];
    extend(before[i], i);
  }
  std::vector<Point> result = points;
  Sum after;  // over point i and those after it
  for (std::size_t i = count; i-- > 0;) {
    extend(after, i);
    result[i].y = (before[i].values + after.values - points[i].y) / (before[i].weights + after.weights - 1);
  }
  return result;
}

std::vector<Point> debiased_average(const std::vector<Point>& points, double weight) {
  std::vector<Point> result = points;
  double average = 0, weights = 0;
  for (Point& point : result) {
    average = weight * average + (1 - weight) * point.y;
    weights = weight * weights + (1 - weight);
    point.y = average / weights;
  }
  return result;
}

}  // namespace kiln
