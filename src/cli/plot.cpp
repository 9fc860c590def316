// kiln plot: draws the curves of runs, as a picture and in the terminal.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/terminal.h"
#include "kiln/plot/braille_plot.h"
#include "kiln/plot/picture.h"
#include "kiln/run/metric_figure.h"
#include "kiln/run/metrics.h"
#include "kiln/run/run_directory.h"
#include "kiln/train/run_summary.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <algorithm>
#include <memory>
#include <string>
#include <unistd.h>

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kGreatestWidth = 240;  // wider plots are no easier to read

struct PlotOptions {
  std::vector<std::string> runs;
  std::string metric{kMetricKeys[0]};
  std::string x{kPlotXs[0]};
  std::optional<double> smoothing;
  std::string output;
  bool json = false;
};

/// Returns the runs' rows, each named after its folder, or as given if two folders have the same name.
std::vector<NamedRows> read_runs(const std::vector<std::string>& folders) {
  std::vector<NamedRows> runs;
  for (const std::string& folder : folders) {
    const RunPaths paths{folder};
    check(is_run_directory(paths.root), "{}: is not a run directory; name one that kiln train has made", folder);
    MetricsLines lines = scan_metrics(paths.metrics());
    for (const std::string& problem : lines.problems) spdlog::warn("{}; the line is left out", problem);
    runs.push_back({fs::canonical(paths.root).filename().string(), std::move(lines.rows)});
  }
  const std::vector<NamedRows> all = runs;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (std::ranges::count(all, all[i].name, &NamedRows::name) > 1) runs[i].name = folders[i];
  }
  return runs;
}

/// Draws the picture into --output; without it, the loss of a single run into the run. Returns the file, or "" if there
/// is none: a run that cannot be written to is still shown in the terminal.
fs::path draw_picture(const Figure& figure, const PlotOptions& options) {
  if (!options.output.empty()) {
    write_file_atomically(options.output, to_picture(figure, options.output));
    return options.output;
  }
  if (options.runs.size() > 1 || options.metric != kMetricKeys[0]) return {};
  fs::path file = RunPaths{options.runs[0]}.plot();
  try {
    write_file_atomically(file, to_picture(figure, file));
  } catch (const Error& error) {
    spdlog::warn("{}; --output FILE writes the picture elsewhere", error.what());
    return {};
  }
  return file;
}

Json to_json(const Figure& figure, const fs::path& output) {
  Json series = Json::array();
  for (const Series& curve : figure.series) {
    Json points = Json::array();
    for (const Point& point : curve.points) points.push_back({point.x, point.y});
    series.push_back({{"name", curve.name}, {"points", std::move(points)}});
  }
  return {{"title", figure.title},
          {"x", figure.x_label},
          {"y", figure.y_label},
          {"series", std::move(series)},
          {"output", output.empty() ? Json() : Json(output.string())}};
}

/// Says that a run holds nothing to draw.
std::string nothing_to_draw(const std::string& run, const std::string& metric) {
  const std::string what = metric == "loss" ? "losses" : metric;
  const bool is_imported = summarise_run(run).status == RunStatus::imported;
  return fmt::format("{}: {} {}{}", run, is_imported ? "is an imported model, which has no" : "holds no", what,
                     is_imported ? "" : " yet");
}

void run_plot(const PlotOptions& options) {
  if (!options.output.empty()) check_picture_file("--output", options.output);
  const std::vector<NamedRows> runs = read_runs(options.runs);
  const Figure figure = metric_figure(
      runs, {.metric = options.metric, .x = value_of<PlotX>(kPlotXs, options.x), .smoothing = options.smoothing});
  const bool is_of_training = metric_of(options.metric).best == Metric::Best::none;
  if (is_empty(figure)) {
    fail(ExitCode::usage, "{}; kiln train writes them every train.{} steps",
         nothing_to_draw(options.runs[0], options.metric), is_of_training ? "log_every" : "eval_every");
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (!is_measured(runs[i].rows, options.metric))
      spdlog::warn("{}, and is not drawn", nothing_to_draw(options.runs[i], options.metric));
  }
  const fs::path output = draw_picture(figure, options);  // first, so that the JSON names an existing file
  if (options.json) {
    write_json(to_json(figure, output));
  } else {
    write_stdout(to_braille(figure, {.width = std::min(output_width(STDOUT_FILENO), kGreatestWidth),
                                     .color = output_has_color(STDOUT_FILENO)}));
  }
  if (!output.empty()) spdlog::info("drawn in {}", output.string());
}

}  // namespace

void add_plot(CLI::App& app) {
  auto options = std::make_shared<PlotOptions>();
  CLI::App* command =
      app.add_subcommand("plot", "Draw curves of one run or several, in the terminal and as SVG or PNG");
  command->add_option("RUN", options->runs, "run directories")->required()->type_name("DIR")->default_str("");
  add_choice(*command, "--metric", options->metric, kMetricKeys, "metric to draw");
  add_choice(*command, "--x", options->x, kPlotXs, "horizontal axis; root_kl: the root of a policy's divergence");
  command
      ->add_option("--smooth", options->smoothing,
                   "smoothing: weight of the past in a running average, from 0 (none) to less than 1; default: a "
                   "smooth line without lag for noisy metrics")
      ->check([](const std::string& text) {
        double weight = -1;
        const bool is_weight = CLI::detail::lexical_cast(text, weight) && weight >= 0 && weight < 1;
        return is_weight ? "" : text + " is not a weight: 0 to less than 1 is expected";
      })
      ->type_name("WEIGHT");
  command
      ->add_option("--output", options->output,
                   "picture to write, .svg or .png; default: RUN/loss.svg for the loss of a single run, else none")
      ->type_name("FILE");
  add_json_flag(*command, options->json);
  command->footer(
      "The plot fits the width of the terminal (COLUMNS if there is none); NO_COLOR turns colours off.\n"
      "Example: kiln plot runs/tales runs/other --x seconds --output both.png");
  command->callback([options] { run_plot(*options); });
}

}  // namespace kiln::cli
