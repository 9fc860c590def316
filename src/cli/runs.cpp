// kiln runs: lists the runs in a folder, and their results.
#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/terminal.h"
#include "kiln/train/run_summary.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/log.h"
#include "cli/output.h"
#include "cli/runs_change.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace kiln::cli {
namespace {

/// Sort orders: the best or largest first; names alphabetically.
constexpr std::array<std::string_view, 10> kOrders{"changed", "name",   "loss", "bits_per_byte", "accuracy",
                                                   "steps",   "tokens", "time", "parameters",    "state"};

struct RunsOptions {
  std::string folder = "runs";
  std::string order{kOrders[0]};
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
                    {"best_reward", or_null(run.best_reward)},
                    {"bits_per_byte", or_null(run.bits_per_byte)},
                    {"perplexity", or_null(run.perplexity)},
                    {"accuracy", or_null(run.accuracy)},
                    {"tokens", run.tokens},
                    {"seconds", run.seconds},
                    {"changed", run.changed},
                    {"problems", run.problems}});
  }
  return list;
}

/// Returns a sort key: the smallest comes first, unknown values last.
double key_of(const RunSummary& run, std::string_view order) {
  if (order == "loss") return run.best_loss.value_or(INFINITY);
  if (order == "bits_per_byte") return run.bits_per_byte.value_or(INFINITY);
  if (order == "accuracy") return -run.accuracy.value_or(-INFINITY);
  if (order == "steps") return -static_cast<double>(run.step);
  if (order == "tokens") return -static_cast<double>(run.tokens);
  if (order == "time") return -run.seconds;
  if (order == "parameters") return -static_cast<double>(run.parameters.value_or(-1));
  return order == "state" ? static_cast<double>(run.status) : 0;
}

/// Sorts the runs. Equal ones keep their order, in which the last changed comes first.
void sort_by(std::string_view order, std::vector<RunSummary>& runs) {
  std::ranges::stable_sort(runs, [&](const RunSummary& a, const RunSummary& b) {
    return order == "name" ? a.name < b.name : key_of(a, order) < key_of(b, order);
  });
}

std::string number(const std::optional<double>& value, int decimals) {
  return value ? fmt::format("{:.{}f}", *value, decimals) : "-";
}

/// A column of the list; narrow terminals omit the least important ones.
struct Column {
  const char* name;
  int importance;
  std::function<std::string(const RunSummary&)> cell;
};

const std::vector<Column>& columns() {
  static const std::vector<Column> columns{
      {"parameters", 3, [](const RunSummary& run) { return run.parameters ? format_count(*run.parameters) : "?"; }},
      {"steps", 6,
       [](const RunSummary& run) {
         return format_count(run.step) + (run.total_steps ? "/" + format_count(*run.total_steps) : "");
       }},
      {"best validation", 7,
       [](const RunSummary& run) {
         return run.best_reward ? fmt::format("reward {:.4f}", *run.best_reward) : number(run.best_loss, 4);
       }},
      {"bits/byte", 5, [](const RunSummary& run) { return number(run.bits_per_byte, 4); }},
      {"perplexity", 0, [](const RunSummary& run) { return number(run.perplexity, 2); }},
      {"accuracy", 1,
       [](const RunSummary& run) { return run.accuracy ? fmt::format("{:.1f}%", 100 * *run.accuracy) : "-"; }},
      {"tokens", 2, [](const RunSummary& run) { return format_count(run.tokens); }},
      {"time", 4, [](const RunSummary& run) { return format_duration(run.seconds); }},
      {"state", 8, [](const RunSummary& run) { return std::string(name_of(run.status)); }}};
  return columns;
}

/// Returns the columns of at least this importance, with names cut to `name_width`.
std::string table_of(const std::vector<RunSummary>& runs, int importance, int name_width) {
  Table table;
  const auto add = [&](std::string name, const std::function<std::string(const Column&)>& cell) {
    std::vector<std::string> cells{std::move(name)};
    for (const Column& column : columns()) {
      if (column.importance >= importance) cells.push_back(cell(column));
    }
    table.row(std::move(cells));
  };
  add("run", [](const Column& column) { return column.name; });
  for (const RunSummary& run : runs) {
    add(shortened(printable(run.name), name_width), [&](const Column& column) { return column.cell(run); });
  }
  return table.text();
}

int width_of(const std::string& text) {
  int widest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, display_columns(line));
  return widest;
}

/// Returns as many columns as fit into `width`, but at least shortened names and states.
std::string to_text(const std::vector<RunSummary>& runs, int width) {
  constexpr int kMostImportant = 8, kShortName = 8, kAnyWidth = std::numeric_limits<int>::max();
  int longest = 0;
  for (const RunSummary& run : runs) longest = std::max(longest, display_columns(printable(run.name)));
  for (int importance = 0;; ++importance) {
    std::string text = table_of(runs, importance, kAnyWidth);
    const int excess = width_of(text) - width;
    if (excess <= 0) return text;
    const int name_width = std::max(longest - excess, kShortName);
    const bool fits = longest - name_width >= excess;
    const bool is_little_cut = name_width >= longest / 2;
    if (importance == kMostImportant || (fits && is_little_cut)) return table_of(runs, importance, name_width);
  }
}

void run_runs(const RunsOptions& options) {
  std::vector<RunSummary> runs = list_runs(options.folder);
  sort_by(options.order, runs);
  if (runs.empty())
    spdlog::info("{}: holds no runs; kiln train makes them in runs/ unless --run names another place", options.folder);
  if (options.json) {
    write_json(to_json(runs));
  } else if (!runs.empty()) {
    const bool has_width = is_terminal(STDOUT_FILENO);
    write_stdout(to_text(runs, has_width ? output_width(STDOUT_FILENO) : std::numeric_limits<int>::max()));
  }
  for (const RunSummary& run : runs) {
    for (const std::string& problem : run.problems)
      log_lines(spdlog::level::warn, fmt::format("{}: {}", printable(run.name), problem));
  }
}

}  // namespace

void add_runs(CLI::App& app) {
  auto options = std::make_shared<RunsOptions>();
  CLI::App* command =
      app.add_subcommand("runs", "List the runs in a folder, the latest change first; rm and mv remove and move runs");
  command->add_option("DIR", options->folder, "folder that holds run directories, or one of them")->type_name("DIR");
  add_choice(*command, "--sort", options->order, kOrders,
             "sort key, the best or largest first; loss, bits per byte and accuracy are those of the validation split");
  add_json_flag(*command, options->json);
  command->footer(
      "States: running (a process uses it), finished, interrupted (kiln train RUN --resume continues it), failed (its "
      "log\n"
      "ends with an error), empty (no step yet) and imported (another tool's model). Lines below the table report "
      "damage.\n"
      "On a narrow terminal the table has fewer columns.\n"
      "Examples: kiln runs runs --sort loss\n"
      "          kiln runs rm runs/try\n"
      "          kiln runs mv runs/try runs/tales");
  add_runs_changes(*command);
  command->callback([options, command] {
    if (command->get_subcommands().empty()) run_runs(*options);
  });
}

}  // namespace kiln::cli
