// What a run has come to, read from its folder without disturbing whoever works in it.
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

/// running: a process is at work in it; finished: it reached its end or stopped early; failed: the last that its log
/// tells of is an error; interrupted: it can be resumed; empty: no step was taken; imported: another tool's model.
enum class RunStatus { running, finished, failed, interrupted, empty, imported };
inline constexpr std::array<std::string_view, 6> kRunStatuses{"running",     "finished", "failed",
                                                              "interrupted", "empty",    "imported"};
inline std::string_view name_of(RunStatus status) { return kRunStatuses[static_cast<std::size_t>(status)]; }

struct RunSummary {
  std::string name;  // of its folder
  std::filesystem::path folder;
  RunStatus status = RunStatus::empty;
  std::optional<std::int64_t> process;  // at work in it
  std::optional<std::int64_t> parameters;
  std::int64_t step = 0;                    // the last that is known of, in the metrics or a checkpoint
  std::optional<std::int64_t> total_steps;  // of the run; by the clock, where it is known how many it had
  std::optional<double> best_loss;          // of validation, and what was measured with it:
  std::optional<double> bits_per_byte;
  std::optional<double> perplexity;
  std::optional<double> accuracy;
  std::int64_t tokens = 0;            // trained on
  double seconds = 0;                 // in training, summed over resumes
  std::int64_t changed = 0;           // seconds since 1970 when it last logged, saved or started
  std::vector<std::string> problems;  // what is damaged, or what a run failed of
};

/// Reads what there is: what cannot be read becomes a problem. Never throws Error.
RunSummary summarise_run(const std::filesystem::path& folder);

/// The runs in a folder (itself, where it is one), the one that changed last first.
/// Throws Error (usage) where there is no such folder.
std::vector<RunSummary> list_runs(const std::filesystem::path& folder);

}  // namespace kiln
