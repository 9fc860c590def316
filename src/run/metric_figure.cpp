// Plots a column of the metrics over steps, tokens or time.
#include "kiln/run/metric_figure.h"

#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/plot/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace kiln {
namespace {

constexpr double kWindows = 50;        // a smoothing window is 1/kWindows of a run's measurements
constexpr double kSmallestWindow = 2;  // a smaller window would smooth nothing
constexpr double kMostOfAUnit = 300;   // seconds or minutes; more are shown in the next larger unit

struct Curve {
  std::optional<double> MetricsRow::*column;
  const char* name;     // in the legend
  const char* y_label;  // including the unit
  bool scatters;
  enum class Best { none, lowest, highest } best = Best::none;  // which evaluation is marked
};

/// Returns the column of a metric and its names.
const Curve& curve_of(PlotMetric metric) {
  static constexpr std::array<Curve, kPlotMetrics.size()> kCurves{{
      {&MetricsRow::loss, "training loss", "loss (nats per token)", true},
      {&MetricsRow::validation_loss, "validation loss", "validation loss (nats per token)", false, Curve::Best::lowest},
      {&MetricsRow::bits_per_byte, "bits per byte", "bits per byte of validation", false, Curve::Best::lowest},
      {&MetricsRow::perplexity, "perplexity", "perplexity of validation", false, Curve::Best::lowest},
      {&MetricsRow::accuracy, "accuracy", "accuracy of validation (share)", false, Curve::Best::highest},
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

/// Returns the smoothed curve of noisy points; empty if none is wanted or there are too few points.
std::vector<Point> trend_of(const std::vector<Point>& points, std::optional<double> smoothing) {
  if (smoothing) return *smoothing > 0 ? debiased_average(points, *smoothing) : std::vector<Point>();
  const double window = static_cast<double>(points.size()) / kWindows;
  return window >= kSmallestWindow ? smoothed(points, window) : std::vector<Point>();
}

/// Formats a value: four decimals from 0.1 to 1000, grouped digits from there to 1e9, and four significant digits
/// otherwise.
std::string value_text(double value) {
  const double size = std::abs(value);
  if (size >= 0.1 && size < 1000) return fmt::format("{:.4f}", value);
  return size >= 1000 && size < 1e9 ? grouped(value, size < 1e5 ? 1 : 0) : fmt::format("{:.4g}", value);
}

/// Returns the curve of evaluations in a metric's plot: the validation loss for the training loss.
const Curve& evaluated_curve(PlotMetric metric) {
  return curve_of(metric == PlotMetric::loss ? PlotMetric::validation_loss : metric);
}

/// Returns the row of the best evaluation; null if none is finite, or if the curve is not of evaluations.
const MetricsRow* best_of(const std::vector<MetricsRow>& rows, const Curve& curve) {
  if (curve.best == Curve::Best::none) return nullptr;
  const double sign = curve.best == Curve::Best::highest ? -1 : 1;
  const MetricsRow* best = nullptr;
  for (const MetricsRow& row : rows) {
    const std::optional<double>& value = row.*curve.column;
    const bool is_finite = value && std::isfinite(*value);
    if (is_finite && (best == nullptr || sign * *value < sign * *(best->*curve.column))) best = &row;
  }
  return best;
}

std::string best_text(const MetricsRow& best, const Curve& curve) {
  return fmt::format("best {} at step {}", value_text(*(best.*curve.column)), format_count(best.step));
}

/// Adds the evaluations, and marks the best with a note. If the figure has labels, they carry the note's text.
void add_validation(Figure& figure, const NamedRows& run, const Curve& curve, PlotX x, int color) {
  const MetricsRow* best = best_of(run.rows, curve);
  if (best == nullptr) return;
  const bool is_alone = run.name.empty();
  figure.notes.push_back({{across(*best, x), *(best->*curve.column)}, is_alone ? best_text(*best, curve) : "", color});
  figure.series.push_back({(is_alone ? "" : run.name + ": ") + curve.name, points_of(run.rows, curve.column, x),
                           Stroke::markers, color, curve.name});
}

/// Adds the run's label at the end of its last series; call it after add_curves.
void add_label(Figure& figure, const NamedRows& run, PlotMetric metric, int color) {
  const Curve& curve = evaluated_curve(metric);
  const MetricsRow* best = best_of(run.rows, curve);
  figure.labels.push_back(
      {figure.series.back().points.back(), run.name, best != nullptr ? best_text(*best, curve) : "", color});
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

/// Adds a run's curves. Prefixes their names with `run.name`, which is empty if the figure shows one run.
void add_curves(Figure& figure, const NamedRows& run, const FigureOptions& options, int color, int validation_color) {
  const Curve& curve = curve_of(options.metric);
  if (curve.best != Curve::Best::none) return add_validation(figure, run, curve, options.x, color);
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
  if (options.metric != PlotMetric::loss) return;
  add_validation(figure, run, curve_of(PlotMetric::validation_loss), options.x, validation_color);
}

}  // namespace

bool is_of_validation(PlotMetric metric) { return curve_of(metric).best != Curve::Best::none; }

bool is_measured(const std::vector<MetricsRow>& rows, PlotMetric metric) {
  return !points_of(rows, curve_of(metric).column, PlotX::steps).empty() ||
         (metric == PlotMetric::loss && best_of(rows, evaluated_curve(metric)) != nullptr);
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

void write_loss_svg(const RunPaths& paths) {
  const Figure figure = metric_figure({{paths.name(), read_metrics(paths.metrics())}});
  write_file_atomically(paths.plot(), to_picture(figure, paths.plot()));
}

}  // namespace kiln
