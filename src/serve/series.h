// Reduces the curve of a metric to as many points as a screen shows.
#pragma once

#include "serve/metric_columns.h"
#include <limits>
#include <string_view>
#include <vector>

namespace kiln {

/// The part of a curve that is asked for.
struct SeriesRange {
  double from = -std::numeric_limits<double>::infinity();
  double to = std::numeric_limits<double>::infinity();
  std::size_t points = 1000;  // at most, but for gaps and the two points that follow
};

/// A curve. A y that is NaN is a gap, which the line does not cross.
struct Series {
  std::vector<double> x;
  std::vector<float> y;
  // Where points were left out: the mean of each part of the range that was put together, at the middle of its rows.
  std::vector<double> mean_x;
  std::vector<float> mean;
};

/// Returns the curve of a key within a range, and one value on each side, so that lines lead out of the range. If there
/// are more values than points, the range is cut into half as many parts of one width, and each part keeps its lowest
/// and its highest value, where they are: no spike is lost. Of the gaps of a part, the first is kept.
Series series_of(const MetricColumns& columns, std::string_view key, RunAxis axis, const SeriesRange& range);

}  // namespace kiln
