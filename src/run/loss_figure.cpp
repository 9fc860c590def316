// The loss, as metric_figure draws it.
#include "kiln/run/loss_figure.h"

#include "kiln/core/file.h"
#include "kiln/run/metric_figure.h"
#include "kiln/run/svg_plot.h"

namespace kiln {

Figure loss_figure(const std::string& name, const std::vector<MetricsRow>& rows) {
  return metric_figure({{name, rows}});
}

void write_loss_svg(const RunPaths& paths) {
  write_file_atomically(paths.plot(), to_svg(loss_figure(paths.name(), read_metrics(paths.metrics()))));
}

}  // namespace kiln
