// kiln tune lr: finds a learning rate for a config in a short run in which it rises.
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/terminal.h"
#include "kiln/core/threads.h"
#include "kiln/plot/braille_plot.h"
#include "kiln/plot/picture.h"
#include "kiln/run/run_directory.h"
#include "kiln/train/learning_rate_range.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <cmath>
#include <memory>
#include <string>
#include <unistd.h>

namespace kiln::cli {
namespace {

struct TuneOptions {
  ConfigArguments config;
  LearningRateRange range;
  std::string output;
  bool json = false;
};

Figure figure_of(const LearningRateTest& test, const Config& config) {
  Series losses{.name = "loss of a step", .points = {}, .stroke = Stroke::noise, .color = 0};
  Series average{.name = "average", .points = {}, .stroke = Stroke::curve, .color = 0};
  Note note{.at = {}, .text = fmt::format("{:.2g}", test.suggested), .color = 1};
  for (const LearningRatePoint& point : test.points) {
    const double x = std::log10(point.learning_rate);
    losses.points.push_back({x, point.loss});
    average.points.push_back({x, point.smoothed});
    if (point.learning_rate == test.suggested) note.at = average.points.back();
  }
  return {.title = fmt::format("{}: a rising learning rate", config.name),
          .subtitle = fmt::format("{}; the loss falls fastest at {:.2g}", counted(std::ssize(test.points), "step"),
                                  test.suggested),
          .x_label = "log10 of the learning rate",
          .y_label = "loss (nats/token)",
          .series = {losses, average},
          .notes = {note},
          .x_is_count = false};
}

/// Returns the suggested config keys; Muon's rate keeps its ratio in the config.
Json suggestion(const LearningRateTest& test, const OptimizerConfig& optimizer) {
  const auto rounded = [](double rate) { return std::stod(fmt::format("{:.1e}", rate)); };
  Json keys{{"optimizer.learning_rate", rounded(test.suggested)}};
  if (optimizer.type == OptimizerKind::muon) {
    const double ratio = test.suggested / optimizer.learning_rate;
    keys["optimizer.muon_learning_rate"] = rounded(optimizer.muon_learning_rate * ratio);
  }
  return keys;
}

Json to_json(const LearningRateTest& test, const Json& keys) {
  Json points = Json::array();
  for (const LearningRatePoint& point : test.points) {
    points.push_back({{"learning_rate", point.learning_rate}, {"loss", point.loss}, {"average", point.smoothed}});
  }
  return {{"suggested", keys}, {"lowest_loss_at", test.lowest}, {"points", std::move(points)}};
}

/// Returns the curve, and the command that applies the suggestion.
std::string to_text(const Figure& figure, const LearningRateTest& test, const Json& keys, const std::string& config) {
  std::string arguments;
  for (const auto& [key, value] : keys.items()) arguments += fmt::format(" --set {}={}", key, value.dump());
  return to_braille(figure, {.width = output_width(STDOUT_FILENO), .color = output_has_color(STDOUT_FILENO)}) +
         fmt::format("the loss falls fastest at {:.2g} and is lowest at {:.2g}; a peak to try:\n  kiln train {}{}\n",
                     test.suggested, test.lowest, printable(config), arguments);
}

void run_tune_lr(const TuneOptions& options) {
  options.range.validate();
  if (!options.output.empty()) check_picture_file("--output", options.output);
  const Config config = read_config(options.config.config, options.config.overrides);
  set_threads(config.train.threads);
  const LearningRateTest test = test_learning_rates(config, RunPaths{"runs/" + config.name}.tokens(), options.range);
  const Json keys = suggestion(test, config.optimizer);
  const Figure figure = figure_of(test, config);
  if (options.json) {
    write_json(to_json(test, keys));
  } else {
    write_stdout(to_text(figure, test, keys, options.config.config));
  }
  if (options.output.empty()) return;
  write_file_atomically(options.output, to_picture(figure, options.output));
  spdlog::info("drawn in {}", options.output);
}

}  // namespace

void add_tune(CLI::App& app) {
  CLI::App* tune = app.add_subcommand("tune", "Find good values for a config");
  tune->require_subcommand(1);
  auto options = std::make_shared<TuneOptions>();
  CLI::App* command = tune->add_subcommand("lr", "Suggest a learning rate, from a short run in which it rises");
  options->config.add_to(*command);
  command->add_option("--from", options->range.from, "learning rate of the first step")->type_name("RATE");
  command
      ->add_option("--to", options->range.to,
                   "learning rate of the last step; the test ends earlier if the loss diverges")
      ->type_name("RATE");
  add_count(*command, "--steps", options->range.steps, "number of steps; each raises the rate by the same factor",
            LearningRateRange::kFewestSteps)
      ->type_name("N");
  command->add_option("--output", options->output, "also draw the curve into this .svg or .png")->type_name("FILE");
  add_quiet_flag(*command);
  add_json_flag(*command, options->json);
  command->footer(
      "kiln discards the model and keeps the text's tokens in runs/NAME for the training. A schedule that decays may "
      "peak two\n"
      "or three times higher than the suggestion.\n"
      "Example: kiln tune lr configs/llama_tiny.json");
  command->callback([options] { run_tune_lr(*options); });
}

}  // namespace kiln::cli
