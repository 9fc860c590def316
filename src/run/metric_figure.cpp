// A column of the metrics up, a count or a time across.
#include "kiln/run/metric_figure.h"

#include "kiln/core/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace kiln {
namespace {

constexpr double kWindows = 50;        // of smoothing, in the measurements of a run
constexpr double kSmallestWindow = 2;  // with less there is nothing to smooth
constexpr double kMostOfAUnit = 300;   // seconds or minutes; more are shown in the next larger unit

struct Curve {
  std::optional<double> MetricsRow::*column;
  const char* name;     // in the legend
  const char* y_label;  // with the unit
  bool scatters;
};

/// The column of a metric and how it is named.
const Curve& curve_of(PlotMetric metric) {
  static constexpr std::array<Curve, kPlotMetrics.size()> kCurves{{
      {&MetricsRow::loss, "training loss", "loss (nats per token)", true},
      {&MetricsRow::validation_loss, "validation loss", "validation loss (nats per token)", false},
      {&MetricsRow::learning_rate, "learning rate", "learning rate", false},
      {&MetricsRow::grad_norm, "gradient norm", "norm of the gradient, before clipping", true},
      {&MetricsRow::tokens_per_second, "tokens per second", "tokens per second", true},
  }};
  return kCurves[static_cast<std::size_t>(metric)];
}

struct TimeUnit {
  double seconds;
  const char* label;
};

constexpr TimeUnit kTimeUnits[] = {{1, "time (s)"}, {60, "time (min)"}, {3600, "time (h)"}};

TimeUnit unit_of(const std::vector<NamedRows>& runs) {
  double longest = 0;
  for (const NamedRows& run : runs) {
    for (const MetricsRow& row : run.rows) longest = std::max(longest, row.seconds);
  }
  for (const TimeUnit& unit : kTimeUnits) {
    if (longest <= kMostOfAUnit * unit.seconds) return unit;
  }
  return {86400, "time (days)"};
}

double across(const MetricsRow& row, PlotX x) {
  switch (x) {
    case PlotX::tokens:
      return static_cast<double>(row.tokens);
    case PlotX::seconds:
      return row.seconds;
    default:
      return static_cast<double>(row.step);
  }
}

std::vector<Point> points_of(const std::vector<MetricsRow>& rows, std::optional<double> MetricsRow::*column, PlotX x) {
  std::vector<Point> points;
  for (const MetricsRow& row : rows) {
    if (const std::optional<double> value = row.*column; value && std::isfinite(*value)) {
      points.push_back({across(row, x), *value});
    }
  }
  std::stable_sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
  return points;
}

/// The line through points that scatter; nothing where none is wanted.
std::vector<Point> trend_of(const std::vector<Point>& points, std::optional<double> smoothing) {
  if (smoothing) return *smoothing > 0 ? debiased_average(points, *smoothing) : std::vector<Point>();
  const double window = static_cast<double>(points.size()) / kWindows;
  return window >= kSmallestWindow ? smoothed(points, window) : std::vector<Point>();
}

/// A value in words: four decimals where these tell something, else four digits.
std::string value_text(double value) {
  const double size = std::abs(value);
  if (size >= 0.1 && size < 1000) return fmt::format("{:.4f}", value);
  return size >= 1000 && size < 1e9 ? grouped(value, size < 1e5 ? 1 : 0) : fmt::format("{:.4g}", value);
}

const MetricsRow* best_of(const std::vector<MetricsRow>& rows) {
  const MetricsRow* best = nullptr;
  for (const MetricsRow& row : rows) {
    const bool is_finite = row.validation_loss && std::isfinite(*row.validation_loss);
    if (is_finite && (best == nullptr || *row.validation_loss < *best->validation_loss)) best = &row;
  }
  return best;
}

std::string best_text(const MetricsRow& best) {
  return fmt::format("best {} at step {}", value_text(*best.validation_loss), format_count(best.step));
}

bool shows_validation(PlotMetric metric) { return metric == PlotMetric::loss || metric == PlotMetric::validation_loss; }

/// The curve of the evaluations, and a note at the best of them, whose text a label takes over where there is one.
void add_validation(Figure& figure, const NamedRows& run, PlotX x, int color) {
  const MetricsRow* best = best_of(run.rows);
  if (best == nullptr) return;
  const bool is_alone = run.name.empty();
  figure.notes.push_back({{across(*best, x), *best->validation_loss}, is_alone ? best_text(*best) : "", color});
  figure.series.push_back({(is_alone ? "" : run.name + ": ") + "validation loss",
                           points_of(run.rows, &MetricsRow::validation_loss, x), Stroke::markers, color,
                           "validation loss"});
}

/// The run's label at the end of its last series, where that has been added.
void add_label(Figure& figure, const NamedRows& run, PlotMetric metric, int color) {
  const MetricsRow* best = shows_validation(metric) ? best_of(run.rows) : nullptr;
  figure.labels.push_back(
      {figure.series.back().points.back(), run.name, best != nullptr ? best_text(*best) : "", color});
}

void scale_x(Figure& figure, double unit) {
  for (Series& series : figure.series) {
    for (Point& point : series.points) point.x /= unit;
  }
  for (Note& note : figure.notes) note.at.x /= unit;
  for (Label& label : figure.labels) label.at.x /= unit;
}

std::string subtitle_of(const std::vector<MetricsRow>& rows) {
  const MetricsRow& last = rows.back();
  return fmt::format("{}, {} token{}", counted(last.step, "step"), short_count(last.tokens),
                     last.tokens == 1 ? "" : "s");
}

/// `run.name` (empty where the figure shows one alone) stands before the curves' names.
void add_curves(Figure& figure, const NamedRows& run, const FigureOptions& options, int color, int validation_color) {
  if (options.metric == PlotMetric::validation_loss) return add_validation(figure, run, options.x, color);
  const Curve& curve = curve_of(options.metric);
  const std::string name = (run.name.empty() ? "" : run.name + ": ") + curve.name;
  std::vector<Point> points = points_of(run.rows, curve.column, options.x);
  std::vector<Point> trend =
      curve.scatters || options.smoothing ? trend_of(points, options.smoothing) : std::vector<Point>();
  if (!trend.empty()) {
    const std::string smooth = ", smoothed";
    figure.series.push_back({name, std::move(points), Stroke::noise, color, curve.name});
    figure.series.push_back({name + smooth, std::move(trend), Stroke::curve, color, curve.name + smooth});
  } else if (!points.empty()) {
    figure.series.push_back({name, std::move(points), Stroke::curve, color, curve.name});
  }
  if (options.metric == PlotMetric::loss) add_validation(figure, run, options.x, validation_color);
}

}  // namespace

bool is_measured(const std::vector<MetricsRow>& rows, PlotMetric metric) {
  return !points_of(rows, curve_of(metric).column, PlotX::steps).empty() ||
         (metric == PlotMetric::loss && best_of(rows) != nullptr);
}

Figure metric_figure(const std::vector<NamedRows>& all, const FigureOptions& options) {
  std::vector<NamedRows> runs;
  std::ranges::copy_if(all, std::back_inserter(runs),
                       [&](const NamedRows& run) { return is_measured(run.rows, options.metric); });
  const bool is_alone = runs.size() == 1 || all.size() == 1;
  const TimeUnit unit = options.x == PlotX::seconds ? unit_of(runs) : TimeUnit{1, ""};
  Figure figure;
  figure.title =
      is_alone ? (runs.empty() ? all : runs)[0].name : fmt::format("{} runs", runs.empty() ? all.size() : runs.size());
  figure.x_label = options.x == PlotX::steps ? "step" : options.x == PlotX::tokens ? "tokens trained on" : unit.label;
  figure.y_label = curve_of(options.metric).y_label;
  figure.x_is_count = options.x != PlotX::seconds;
  if (runs.empty()) {
    figure.subtitle = options.metric == PlotMetric::loss ? "no losses yet" : "nothing measured yet";
    return figure;
  }
  if (is_alone) {
    figure.subtitle = subtitle_of(runs[0].rows);
    add_curves(figure, {"", runs[0].rows}, options, 0, 1);
  } else {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const int color = static_cast<int>(i);
      add_curves(figure, runs[i], options, color, color);
      add_label(figure, runs[i], options.metric, color);
    }
  }
  scale_x(figure, unit.seconds);
  return figure;
}

}  // namespace kiln
