// kiln plot: the loss curves of a run, as a picture in its folder and in the terminal.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/run/braille_plot.h"
#include "kiln/run/loss_figure.h"
#include "kiln/run/svg_plot.h"

#include <spdlog/spdlog.h>

#include "cli/commands.h"
#include "cli/output.h"
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kUnknownWidth = 80;    // where nothing says how wide the output is
constexpr int kGreatestWidth = 240;  // wider plots are no better to read

struct PlotOptions {
  std::string run;
};

/// The terminal's width, else COLUMNS, else 80.
int output_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return std::min<int>(size.ws_col, kGreatestWidth);
  const char* columns = std::getenv("COLUMNS");
  const int width = columns != nullptr ? std::atoi(columns) : 0;
  return width > 0 ? std::min(width, kGreatestWidth) : kUnknownWidth;
}

/// Colours are for terminals, unless NO_COLOR (no-color.org) or a dumb one asks for none.
bool output_has_color() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string_view(value != nullptr ? value : "");
  };
  return ::isatty(STDOUT_FILENO) == 1 && variable("NO_COLOR").empty() && variable("TERM") != "dumb";
}

void run_plot(const PlotOptions& options) {
  const RunPaths paths{options.run};
  check(is_run_directory(paths.root), "{}: is not a run directory; name one that kiln train has made", options.run);
  const std::string name = fs::canonical(paths.root).filename().string();
  const Figure figure = loss_figure(name, read_metrics(paths.metrics()));
  check(!is_empty(figure), "{}: holds no losses yet; kiln train writes them every train.log_every steps",
        paths.metrics().string());
  write_stdout(to_braille(figure, {.width = output_width(), .color = output_has_color()}));
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
