// The loss curves of a run: from its metrics to the picture that lies in its folder.
#pragma once

#include "kiln/run/figure.h"
#include "kiln/run/metrics.h"
#include "kiln/run/run_directory.h"

#include <string>
#include <vector>

namespace kiln {

/// The picture of one run.
Figure loss_figure(const std::string& name, const std::vector<MetricsRow>& rows);

/// Draws what RUN/metrics.jsonl holds (nothing is a plot of nothing) into RUN/loss.svg, atomically.
/// Throws Error as read_metrics and write_file_atomically do.
void write_loss_svg(const RunPaths& paths);

}  // namespace kiln
