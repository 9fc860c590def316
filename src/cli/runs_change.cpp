// kiln runs rm and kiln runs mv: remove and move whole runs, after checking what refers to them.
#include "cli/runs_change.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/terminal.h"
#include "kiln/run/run_changes.h"
#include "kiln/train/run_summary.h"

#include <spdlog/spdlog.h>

#include <iostream>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;

struct RemoveOptions {
  std::vector<std::string> runs;
  bool yes = false;
};

struct MoveOptions {
  std::string run;
  std::string to;
};

/// Returns "runs/tales: finished, step 2,000/2,000, 1.50 GB".
std::string description(const std::string& run) {
  const RunSummary summary = summarise_run(run);
  const std::string total = summary.total_steps ? "/" + format_count(*summary.total_steps) : "";
  return fmt::format("{}: {}, step {}{}, {}", run, name_of(summary.status), format_count(summary.step), total,
                     format_bytes(static_cast<double>(size_of_run(run))));
}

void tell_uses(const std::string& run, const RunUses& uses) {
  for (const fs::path& config : uses.configs) {
    spdlog::info("{}: {} started from it, and continues without it", run, config.parent_path().string());
  }
}

bool is_confirmed(const std::string& question) {
  std::cerr << printable(question) << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

void run_remove(const RemoveOptions& options) {
  for (const std::string& run : options.runs) check_changeable(run);
  check(options.yes || is_terminal(STDIN_FILENO),
        "kiln runs rm asks before it removes a run, but there is no terminal; add --yes");
  for (const std::string& run : options.runs) {
    tell_uses(run, uses_of_run(run));
    const std::string what = description(run);
    if (!options.yes && !is_confirmed(what + "; remove it?")) {
      spdlog::info("{}: not removed", run);
      continue;
    }
    const std::vector<fs::path> left = remove_run(run);
    spdlog::info("{}; removed", what);
    if (!left.empty()) {
      spdlog::warn("{}: the folder stays, because it holds files that kiln did not write: {}{}", run,
                   left[0].filename().string(), left.size() > 1 ? fmt::format(" and {} more", left.size() - 1) : "");
    }
  }
}

void run_move(const MoveOptions& options) {
  check_changeable(options.run);
  tell_uses(options.run, uses_of_run(options.run));
  move_run(options.run, options.to);
  spdlog::info("{} is now {}; kiln train {} --resume continues it", options.run, options.to, options.to);
}

}  // namespace

void add_runs_changes(CLI::App& runs) {
  auto remove = std::make_shared<RemoveOptions>();
  CLI::App* rm = runs.add_subcommand("rm", "Remove the files that kiln wrote in runs, after asking");
  rm->add_option("RUN", remove->runs, "run directories")->required()->type_name("DIR")->default_str("");
  rm->add_flag("--yes", remove->yes, "do not ask");
  rm->footer(
      "kiln does not remove a run that a process uses or that links in other runs point into. Files that kiln did not "
      "write\n"
      "stay.\n"
      "Example: kiln runs rm runs/try runs/old --yes");
  rm->callback([remove] { run_remove(*remove); });

  auto move = std::make_shared<MoveOptions>();
  CLI::App* mv = runs.add_subcommand("mv", "Rename or move a run directory");
  mv->add_option("RUN", move->run, "run directory")->required()->type_name("DIR");
  mv->add_option("TO", move->to, "new run directory; it must not exist")->required()->type_name("DIR");
  mv->footer(
      "The run still finds its text. `name` in its config stays the same.\n"
      "Example: kiln runs mv runs/try runs/tales-8-layers");
  mv->callback([move] { run_move(*move); });
}

}  // namespace kiln::cli
