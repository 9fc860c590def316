// Walks once over the values of the range.
#include "serve/series.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <span>

namespace kiln {
namespace {

/// The values of one part of the range, by their indices in the column.
class SeriesPart {
 public:
  void add(std::size_t i, float y, double x) {
    if (std::isnan(y)) {
      if (!gap_) gap_ = i;
      return;
    }
    if (count_ == 0 || y < low_y_) low_ = i, low_y_ = y;
    if (count_ == 0 || y > high_y_) high_ = i, high_y_ = y;
    if (count_ == 0) first_x_ = x;
    last_x_ = x;
    sum_ += y;
    ++count_;
  }

  /// Appends its lowest, its highest value and its first gap in their order, and its mean.
  void append_to(Series& series, const MetricColumn& column, std::span<const double> x) const {
    std::array<std::size_t, 3> kept{};
    std::size_t size = 0;
    if (count_ > 0) {
      kept[size++] = low_;
      if (high_ != low_) kept[size++] = high_;
      series.mean_x.push_back((first_x_ + last_x_) / 2);
      series.mean.push_back(static_cast<float>(sum_ / static_cast<double>(count_)));
    }
    if (gap_) kept[size++] = *gap_;
    std::sort(kept.begin(), kept.begin() + size);
    for (std::size_t k = 0; k < size; ++k) {
      series.x.push_back(x[column.row(kept[k])]);
      series.y.push_back(column.value(kept[k]));
    }
  }

 private:
  std::size_t low_ = 0, high_ = 0, count_ = 0;
  float low_y_ = 0, high_y_ = 0;
  double first_x_ = 0, last_x_ = 0, sum_ = 0;
  std::optional<std::size_t> gap_;
};

}  // namespace

Series series_of(const MetricColumns& columns, std::string_view key, RunAxis axis, const SeriesRange& range) {
  Series series;
  const MetricColumn* column = columns.find(key);
  if (column == nullptr) return series;
  const std::span<const double> x = columns.axis(axis);
  const auto row_at = [&](auto place) { return static_cast<std::size_t>(place - x.begin()); };
  const std::size_t begin = column->first_from(row_at(std::ranges::lower_bound(x, range.from)));
  const std::size_t end = std::max(begin, column->first_from(row_at(std::ranges::upper_bound(x, range.to))));
  const auto append = [&](std::size_t i) {
    series.x.push_back(x[column->row(i)]);
    series.y.push_back(column->value(i));
  };
  if (begin > 0) append(begin - 1);
  if (end - begin <= range.points) {
    for (std::size_t i = begin; i < end; ++i) append(i);
  } else {
    const double first = x[column->row(begin)], width = x[column->row(end - 1)] - first;
    const std::size_t parts = std::max<std::size_t>(1, range.points / 2);
    const double scale = width > 0 ? static_cast<double>(parts) / width : 0;
    SeriesPart part;
    std::size_t number = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const double at = x[column->row(i)];
      const std::size_t here = std::min(parts - 1, static_cast<std::size_t>((at - first) * scale));
      if (here != number) {
        part.append_to(series, *column, x);
        part = SeriesPart();
        number = here;
      }
      part.add(i, column->value(i), at);
    }
    part.append_to(series, *column, x);
  }
  if (end < column->size()) append(end);
  return series;
}

}  // namespace kiln
