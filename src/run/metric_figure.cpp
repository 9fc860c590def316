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

/// Returns the row's place; null if it has none. root_kl is the root of the divergence from the reference, over which
/// rewards rise and fall evenly (arXiv:2210.10760).
std::optional<double> across(const MetricsRow& row, PlotX x) {
  switch (x) {
    case PlotX::root_kl: {
      const std::optional<double> kl = row.held_out_kl ? row.held_out_kl : row.kl_k3;
      return kl ? std::optional(std::sqrt(std::max(0.0, *kl))) : std::nullopt;
    }
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
    const std::optional<double> value = row.*column, place = across(row, x);
    if (value && std::isfinite(*value) && place) points.push_back({*place, *value});
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

/// Returns the metric whose evaluations a figure of `metric` marks: the validation loss for the training loss.
const Metric& evaluated(const Metric& metric) {
  if (metric.value == &MetricsRow::loss) return metric_of("validation_loss");
  if (metric.value == &MetricsRow::reward) return metric_of("validation/reward");
  return metric;
}

/// Returns the row of the best evaluation; null if none is finite, or if the curve is not of evaluations.
const MetricsRow* best_of(const std::vector<MetricsRow>& rows, const Metric& metric) {
  if (metric.best == Metric::Best::none) return nullptr;
  const double sign = metric.best == Metric::Best::highest ? -1 : 1;
  const MetricsRow* best = nullptr;
  for (const MetricsRow& row : rows) {
    const std::optional<double>& value = row.*metric.value;
    const bool is_finite = value && std::isfinite(*value);
    if (is_finite && (best == nullptr || sign * *value < sign * *(best->*metric.value))) best = &row;
  }
  return best;
}

std::string best_text(const MetricsRow& best, const Metric& metric) {
  return fmt::format("best {} at step {}", value_text(*(best.*metric.value)), format_count(best.step));
}

/// Adds the evaluations, and marks the best with a note. If the figure has labels, they carry the note's text.
void add_validation(Figure& figure, const NamedRows& run, const Metric& metric, PlotX x, int color) {
  const MetricsRow* best = best_of(run.rows, metric);
  if (best == nullptr || !across(*best, x)) return;
  const bool is_alone = run.name.empty();
  figure.notes.push_back(
      {{*across(*best, x), *(best->*metric.value)}, is_alone ? best_text(*best, metric) : "", color});
  figure.series.push_back({(is_alone ? "" : run.name + ": ") + metric.name, points_of(run.rows, metric.value, x),
                           Stroke::markers, color, metric.name});
}

/// Adds the run's label at the end of its last series; call it after add_curves.
void add_label(Figure& figure, const NamedRows& run, const Metric& plotted, int color) {
  const Metric& metric = evaluated(plotted);
  const MetricsRow* best = best_of(run.rows, metric);
  figure.labels.push_back(
      {figure.series.back().points.back(), run.name, best != nullptr ? best_text(*best, metric) : "", color});
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
  const Metric& metric = metric_of(options.metric);
  if (metric.best != Metric::Best::none) {
    add_validation(figure, run, metric, options.x, color);
    const bool is_gold = metric.value == &MetricsRow::held_out_gold;  // beside it what training sees
    if (is_gold && run.name.empty())
      add_validation(figure, run, metric_of("validation/reward"), options.x, validation_color);
    return;
  }
  const std::string name = (run.name.empty() ? "" : run.name + ": ") + metric.name;
  std::vector<Point> points = points_of(run.rows, metric.value, options.x);
  std::vector<Point> trend =
      metric.is_noisy || options.smoothing ? trend_of(points, options.smoothing) : std::vector<Point>();
  if (!trend.empty()) {
    const std::string smooth = ", smoothed";
    figure.series.push_back({name, std::move(points), Stroke::noise, color, metric.name});
    figure.series.push_back({name + smooth, std::move(trend), Stroke::curve, color, metric.name + smooth});
  } else if (!points.empty()) {
    figure.series.push_back({name, std::move(points), Stroke::curve, color, metric.name});
  }
  if (const Metric& shown = evaluated(metric); &shown != &metric)
    add_validation(figure, run, shown, options.x, validation_color);
}

}  // namespace

bool is_measured(const std::vector<MetricsRow>& rows, std::string_view key) {
  const Metric& metric = metric_of(key);
  return !points_of(rows, metric.value, PlotX::steps).empty() || best_of(rows, evaluated(metric)) != nullptr;
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
  figure.x_label = options.x == PlotX::steps     ? "step"
                   : options.x == PlotX::tokens  ? "tokens trained on"
                   : options.x == PlotX::root_kl ? "root of KL from the reference, nats"
                                                 : unit.label;
  figure.y_label = metric_of(options.metric).axis;
  figure.x_is_count = options.x == PlotX::steps || options.x == PlotX::tokens;
  if (runs.empty()) {
    figure.subtitle = options.metric == "loss" ? "no losses yet" : "nothing measured yet";
    return figure;
  }
  if (is_alone) {
    figure.subtitle = subtitle_of(runs[0].rows);
    add_curves(figure, {"", runs[0].rows}, options, 0, 1);
  } else {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const int color = static_cast<int>(i);
      add_curves(figure, runs[i], options, color, color);
      add_label(figure, runs[i], metric_of(options.metric), color);
    }
  }
  scale_x(figure, unit.seconds);
  return figure;
}

void write_loss_svg(const RunPaths& paths) {
  const std::vector<NamedRows> run{{paths.name(), read_metrics(paths.metrics())}};
  const Figure figure = metric_figure(run, {.metric = is_measured(run.front().rows, "reward") ? "reward" : "loss"});
  write_file_atomically(paths.plot(), to_picture(figure, paths.plot()));
}

}  // namespace kiln
