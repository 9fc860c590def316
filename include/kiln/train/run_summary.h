// Summarises runs from their folders, without disturbing a process that works there.
#pragma once

#include "kiln/run/run_directory.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// running: a process works in it; finished: it reached its end or stopped early; failed: the last log entry is an
/// error; interrupted: it can be resumed; empty: no step was taken; imported: another tool's model.
enum class RunStatus { running, finished, failed, interrupted, empty, imported };
inline constexpr std::array<std::string_view, 6> kRunStatuses{"running",     "finished", "failed",
                                                              "interrupted", "empty",    "imported"};
inline std::string_view name_of(RunStatus status) { return kRunStatuses[static_cast<std::size_t>(status)]; }

struct RunSummary {
  std::string name;  // of its folder
  std::filesystem::path folder;
  RunStatus status = RunStatus::empty;
  std::optional<std::int64_t> process;  // id of the process that works in it
  std::optional<std::int64_t> parameters;
  std::int64_t step = 0;                    // the last in the metrics or a checkpoint
  std::optional<std::int64_t> total_steps;  // of the run; with a time budget, only once known
  std::optional<double> best_loss;          // of validation; the next three belong to it
  std::optional<double> best_reward;        // of a policy, which has no best_loss: its highest held-out reward, by
                                            // policy.gold if the config names one
  std::optional<double> bits_per_byte;
  std::optional<double> perplexity;
  std::optional<double> accuracy;
  std::int64_t tokens = 0;            // trained on
  double seconds = 0;                 // in training, summed over resumes
  std::int64_t changed = 0;           // last log entry, save or start, in seconds since 1970
  std::vector<std::string> problems;  // damage, or the error of a failed run
};

/// Summarises a run. Files that cannot be read become problems; never throws Error.
RunSummary summarise_run(const std::filesystem::path& folder);

/// Returns the runs in a folder (or the folder itself if it is one), most recently changed first.
/// Throws Error (usage) if the folder does not exist.
std::vector<RunSummary> list_runs(const std::filesystem::path& folder);

}  // namespace kiln
