// kiln plot: the loss curves of a run, as a picture in its folder and in the terminal.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/terminal.h"
#include "kiln/run/braille_plot.h"
#include "kiln/run/loss_figure.h"
#include "kiln/run/svg_plot.h"

#include <spdlog/spdlog.h>

#include "cli/commands.h"
#include "cli/output.h"
#include <algorithm>
#include <memory>
#include <string>
#include <unistd.h>

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kGreatestWidth = 240;  // wider plots are no better to read

struct PlotOptions {
  std::string run;
};

void run_plot(const PlotOptions& options) {
  const RunPaths paths{options.run};
  check(is_run_directory(paths.root), "{}: is not a run directory; name one that kiln train has made", options.run);
  const std::string name = fs::canonical(paths.root).filename().string();
  const Figure figure = loss_figure(name, read_metrics(paths.metrics()));
  check(!is_empty(figure), "{}: holds no losses yet; kiln train writes them every train.log_every steps",
        paths.metrics().string());
  write_stdout(to_braille(figure, {.width = std::min(output_width(STDOUT_FILENO), kGreatestWidth),
                                   .color = output_has_color(STDOUT_FILENO)}));
  write_file_atomically(paths.plot(), to_svg(figure));
  spdlog::info("drawn in {}", paths.plot().string());
}

}  // namespace

void add_plot(CLI::App& app) {
  auto options = std::make_shared<PlotOptions>();
  CLI::App* command =
      app.add_subcommand("plot", "Draw a run's loss curves, in the terminal and as loss.svg in its folder");
  command->add_option("RUN", options->run, "run directory")->required()->type_name("DIR");
  command->footer(
      "The plot in the terminal fits its width (COLUMNS elsewhere); NO_COLOR takes the colours away.\n"
      "Example: kiln plot runs/tales");
  command->callback([options] { run_plot(*options); });
}

}  // namespace kiln::cli
