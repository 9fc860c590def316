// What is sound in a run directory and what is not, without changing a byte of it.
#pragma once

#include "kiln/run/manifest.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// Everything that is wrong with a checkpoint folder; empty where it is whole. Beyond the manifest's sizes and
/// checksums (all files, not the first alone) its parts have to fit together: config, tokenizer, shapes of weights and
/// moments, step. No tensor is held in memory. Throws Error (io) where reading fails.
std::vector<FileProblem> examine_checkpoint(const std::filesystem::path& folder);

struct CheckpointReport {
  std::filesystem::path folder;
  std::vector<FileProblem> problems;
};

/// Where `latest` or `best` points.
struct PointerReport {
  std::string name;
  std::optional<std::string> target;  // a folder's name; none where there is no such file
  std::optional<FileProblem> problem;
};

struct MetricsReport {
  std::size_t rows = 0;  // complete lines that are rows
  std::int64_t first_step = 0, last_step = 0;
  bool ends_within_a_line = false;  // a write was cut off there; readers pass it over, --resume removes it
  std::vector<FileProblem> problems;
};

struct RunReport {
  std::vector<CheckpointReport> checkpoints;  // by step
  std::vector<PointerReport> pointers;        // of a run directory, and so are these:
  std::optional<MetricsReport> metrics;
  std::vector<std::string> temporaries;  // what a crash has left in checkpoints/; the next save removes it

  /// Whether there is a checkpoint, and nothing is wrong with any, nor with pointers and metrics.
  bool is_good() const;
};

/// Examines a run directory, or a checkpoint folder alone.
/// Throws Error (bad_input) where `path` is neither.
RunReport examine(const std::filesystem::path& path);

}  // namespace kiln
