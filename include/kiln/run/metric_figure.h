// A metric of one run or several, from their rows to the picture.
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

/// What goes up: loss is that of training and validation together.
enum class PlotMetric {
  loss,
  validation_loss,
  bits_per_byte,
  perplexity,
  accuracy,
  learning_rate,
  grad_norm,
  tokens_per_second
};
inline constexpr std::array<std::string_view, 8> kPlotMetrics{"loss",       "validation_loss",  "bits_per_byte",
                                                              "perplexity", "accuracy",         "learning_rate",
                                                              "grad_norm",  "tokens_per_second"};

/// Whether evaluations alone measure it.
bool is_of_validation(PlotMetric metric);

/// What goes across. Seconds are shown in the unit that suits the longest run.
enum class PlotX { steps, tokens, seconds };
inline constexpr std::array<std::string_view, 3> kPlotXs{"steps", "tokens", "seconds"};

struct FigureOptions {
  PlotMetric metric = PlotMetric::loss;
  PlotX x = PlotX::steps;
  /// Weight of the past in a debiased exponential average of what scatters, in [0, 1), 0 for none; where not given, a
  /// line without lag is laid through metrics that scatter, where there are enough measurements.
  std::optional<double> smoothing = std::nullopt;
};

struct NamedRows {
  std::string name;
  std::vector<MetricsRow> rows;
};

/// Whether the rows hold a finite value of the metric.
bool is_measured(const std::vector<MetricsRow>& rows, PlotMetric metric);

/// The picture of one run or several. What was not measured or not finite is left out, as are runs without such a
/// value; best evaluations are marked. One run has a colour for training and one for validation; of several each has
/// one of its own, and a label.
Figure metric_figure(const std::vector<NamedRows>& runs, const FigureOptions& options = {});

/// Draws the losses of RUN/metrics.jsonl (an empty plot where it holds none) into RUN/loss.svg, atomically.
/// Throws Error as read_metrics and write_file_atomically do.
void write_loss_svg(const RunPaths& paths);

}  // namespace kiln
