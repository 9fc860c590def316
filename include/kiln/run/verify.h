// Examines a run directory for damage, without changing anything.
#pragma once

#include "kiln/run/manifest.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kiln {

struct CheckpointReport {
  std::filesystem::path folder;
  std::vector<FileProblem> problems;  // of its own files: it is damaged
  std::optional<FileProblem> base;    // of the base model, without which adapters, even sound ones, are of no use

  bool is_good() const { return problems.empty() && !base; }
};

/// Returns all problems of a checkpoint folder; none if it is intact. Checks the manifest's sizes and checksums (of all
/// files, not just up to the first problem), and that the parts match: config, tokenizer, shapes of weights and
/// moments, step, and the base model of adapters. Holds no tensor of a whole model in memory. Throws Error (io) if
/// reading fails.
CheckpointReport examine_checkpoint(const std::filesystem::path& folder);

/// The target of `latest` or `best`.
struct PointerReport {
  std::string name;
  std::optional<std::string> target;  // a folder's name; nullopt if the file is missing
  std::optional<FileProblem> problem;
};

struct MetricsReport {
  std::size_t rows = 0;  // complete lines that are rows
  std::int64_t first_step = 0, last_step = 0;
  bool ends_within_a_line = false;  // a write was interrupted there; readers ignore it, --resume removes it
  std::vector<FileProblem> problems;
};

struct RunReport {
  std::vector<CheckpointReport> checkpoints;  // by step
  std::vector<PointerReport> pointers;        // this and the rest: only for a run directory
  std::optional<MetricsReport> metrics;
  std::vector<std::string> temporaries;  // left in checkpoints/ by a crash; the next save removes them

  /// Returns true if there is a checkpoint, and checkpoints, pointers and metrics have no problems.
  bool is_good() const;
};

/// Examines a run directory, or a single checkpoint folder. Throws Error (bad_input) if `path` is neither; io if
/// reading fails.
RunReport examine(const std::filesystem::path& path);

}  // namespace kiln
