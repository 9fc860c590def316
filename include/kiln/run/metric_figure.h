// Makes a figure of a metric from the rows of one or several runs.
#pragma once

#include "kiln/plot/figure.h"
#include "kiln/run/metrics.h"
#include "kiln/run/run_directory.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// The x axis. Seconds are shown in a unit that suits the longest run.
enum class PlotX { steps, tokens, seconds, root_kl };
inline constexpr std::array<std::string_view, 4> kPlotXs{"steps", "tokens", "seconds", "root_kl"};

struct FigureOptions {
  std::string_view metric = kMetricKeys[0];  // a key of kMetrics; the loss shows training and validation together
  PlotX x = PlotX::steps;
  /// Weight of the past in a debiased exponential average of training metrics, in [0, 1); 0 for none. If not given,
  /// noisy metrics get a smoothed curve without lag, if there are enough measurements.
  std::optional<double> smoothing = std::nullopt;
};

struct NamedRows {
  std::string name;
  std::vector<MetricsRow> rows;
};

/// Returns true if the rows contain a finite value of the metric, or of the evaluations that its figure shows.
bool is_measured(const std::vector<MetricsRow>& rows, std::string_view metric);

/// Returns the figure of one or several runs. Omits values that are missing or not finite, and runs without any other.
/// Marks the best evaluations. A single run has one colour for training and one for validation; each of several runs
/// has its own colour and a label.
Figure metric_figure(const std::vector<NamedRows>& runs, const FigureOptions& options = {});

/// Draws the losses of RUN/metrics.jsonl into RUN/loss.svg, atomically; an empty plot if there are none. Throws Error
/// as read_metrics and write_file_atomically do.
void write_loss_svg(const RunPaths& paths);

}  // namespace kiln
