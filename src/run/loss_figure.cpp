// Steps across, nats per token up.
#include "kiln/run/loss_figure.h"

#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/run/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace kiln {
namespace {

constexpr double kWindows = 50;        // of smoothing, in the measurements of a run
constexpr double kSmallestWindow = 2;  // with less there is nothing to smooth

/// One column of the metrics over the steps, without what was not measured.
std::vector<Point> curve(const std::vector<MetricsRow>& rows, std::optional<double> MetricsRow::*column) {
  std::vector<Point> points;
  for (const MetricsRow& row : rows) {
    if (const std::optional<double> value = row.*column; value && std::isfinite(*value)) {
      points.push_back({static_cast<double>(row.step), *value});
    }
  }
  std::stable_sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
  return points;
}

}  // namespace

void add_loss_curves(Figure& figure, const std::string& name, const std::vector<MetricsRow>& rows, int color) {
  const std::string prefix = name.empty() ? "" : name + ": ";
  std::vector<Point> training = curve(rows, &MetricsRow::loss);
  std::vector<Point> validation = curve(rows, &MetricsRow::validation_loss);
  const double window = static_cast<double>(training.size()) / kWindows;
  if (window >= kSmallestWindow) {
    std::vector<Point> trend = smoothed(training, window);
    figure.series.push_back({prefix + "training loss", std::move(training), Stroke::noise, color});
    figure.series.push_back({prefix + "training loss, smoothed", std::move(trend), Stroke::curve, color});
  } else if (!training.empty()) {
    figure.series.push_back({prefix + "training loss", std::move(training), Stroke::curve, color});
  }
  if (validation.empty()) return;
  const auto best =
      std::min_element(validation.begin(), validation.end(), [](const Point& a, const Point& b) { return a.y < b.y; });
  figure.notes.push_back(
      {*best, fmt::format("{}best {:.4f} at step {}", prefix, best->y, grouped(best->x)), color + 1});
  figure.series.push_back({prefix + "validation loss", std::move(validation), Stroke::markers, color + 1});
}

Figure loss_figure(const std::string& name, const std::vector<MetricsRow>& rows) {
  Figure figure;
  figure.title = name;
  figure.x_label = "step";
  figure.y_label = "loss (nats per token)";
  add_loss_curves(figure, "", rows);
  if (is_empty(figure)) {
    figure.subtitle = "no losses yet";
    return figure;
  }
  const MetricsRow& last = rows.back();
  figure.subtitle = fmt::format("{} step{}, {} tokens", grouped(static_cast<double>(last.step)),
                                last.step == 1 ? "" : "s", short_count(last.tokens));
  return figure;
}

void write_loss_svg(const RunPaths& paths, const std::string& name) {
  write_file_atomically(paths.plot(), to_svg(loss_figure(name, read_metrics(paths.metrics()))));
}

}  // namespace kiln
