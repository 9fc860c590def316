// kiln runs: the runs in a folder, and what each has come to.
#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/log.h"
#include "kiln/core/shown_text.h"
#include "kiln/train/run_summary.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <memory>

namespace kiln::cli {
namespace {

struct RunsOptions {
  std::string folder = "runs";
  bool json = false;
};

Json to_json(const std::vector<RunSummary>& runs) {
  Json list = Json::array();
  for (const RunSummary& run : runs) {
    list.push_back({{"name", run.name},
                    {"folder", run.folder.string()},
                    {"status", name_of(run.status)},
                    {"process", or_null(run.process)},
                    {"parameters", or_null(run.parameters)},
                    {"step", run.step},
                    {"total_steps", or_null(run.total_steps)},
                    {"best_validation_loss", or_null(run.best_loss)},
                    {"tokens", run.tokens},
                    {"seconds", run.seconds},
                    {"changed", run.changed},
                    {"problems", run.problems}});
  }
  return list;
}

std::string to_text(const std::vector<RunSummary>& runs) {
  Table table;
  table.row({"run", "parameters", "steps", "best validation", "tokens", "time", "state"});
  for (const RunSummary& run : runs) {
    const std::string total = run.total_steps ? "/" + format_count(*run.total_steps) : "";
    table.row({run.name, run.parameters ? format_count(*run.parameters) : "?", format_count(run.step) + total,
               run.best_loss ? fmt::format("{:.4f}", *run.best_loss) : "-", format_count(run.tokens),
               format_duration(run.seconds), std::string(name_of(run.status))});
  }
  return table.text();
}

void run_runs(const RunsOptions& options) {
  const std::vector<RunSummary> runs = list_runs(options.folder);
  if (runs.empty())
    spdlog::info("{}: holds no runs; kiln train makes them in runs/ unless --run names another place", options.folder);
  if (options.json) {
    write_json(to_json(runs));
  } else if (!runs.empty()) {
    write_stdout(to_text(runs));
  }
  for (const RunSummary& run : runs) {
    for (const std::string& problem : run.problems)
      log_lines(spdlog::level::warn, fmt::format("{}: {}", printable(run.name), problem));
  }
}

}  // namespace

void add_runs(CLI::App& app) {
  auto options = std::make_shared<RunsOptions>();
  CLI::App* command = app.add_subcommand("runs", "List the runs in a folder, the one that changed last first");
  command->add_option("DIR", options->folder, "folder that holds run directories, or one of them")->type_name("DIR");
  add_json_flag(*command, options->json);
  command->footer(
      "States: running (a process is at work in it), finished, interrupted (kiln train --resume goes on), failed (its\n"
      "log ends with an error) and empty (no step was taken). What is damaged is told below the table.\n"
      "Example: kiln runs runs --json");
  command->callback([options] { run_runs(*options); });
}

}  // namespace kiln::cli
