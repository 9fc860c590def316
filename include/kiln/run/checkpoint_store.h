// Saves, finds and prunes a run's checkpoints, so that a crash at any instant leaves one that loads.
#pragma once

#include "kiln/run/checkpoint.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace kiln {

/// Saves into `checkpoints` (RUN/checkpoints, created if missing) and returns the new folder. Writes a temporary
/// folder, flushes and renames it; then points `best`, if `is_best`, and `latest` to it; then removes old checkpoints
/// except the newest `keep` (not counting step 0, best and latest). Replaces a folder of the same step. Throws Error
/// (io); then the temporary folder is removed, and `latest` is unchanged.
std::filesystem::path save_checkpoint(const std::filesystem::path& checkpoints, const CheckpointContents& contents,
                                      bool is_best, std::int64_t keep);

/// Removes the checkpoints of step `first` and later, except `best`, and points `latest` to the newest before them.
/// Removes none if there is none before them. Returns the step of the checkpoint to continue from; nullopt if there is
/// none. Throws Error (io).
std::optional<std::int64_t> forget_checkpoints(const std::filesystem::path& checkpoints, std::int64_t first);

struct SavedCheckpoint {
  std::int64_t step;
  std::filesystem::path folder;
};

/// Lists the checkpoint folders by step, intact or not; none if `checkpoints` does not exist. Throws Error (io).
std::vector<SavedCheckpoint> list_checkpoints(const std::filesystem::path& checkpoints);

/// Lists what interrupted saves left. Throws Error (io).
std::vector<std::filesystem::path> list_temporaries(const std::filesystem::path& checkpoints);

/// Returns the contents of a pointer file, which must exist. Throws Error (io).
std::string read_pointer(const std::filesystem::path& pointer);

/// Returns the target of `latest`. If it is missing, empty or dangling, warns and returns the newest finished
/// checkpoint.
std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& checkpoints);

/// Returns the target of `best`; nullopt if the file is missing or, with a warning, if it is empty or dangling.
std::optional<std::filesystem::path> best_checkpoint(const std::filesystem::path& checkpoints);

/// Returns the checkpoint for --resume: the target of `latest`, or the newest checkpoint that verifies, with a warning
/// for each that does not. Returns nullopt if there are none. Throws Error (bad_input) if none verifies, and
/// NewerFormatError.
std::optional<std::filesystem::path> checkpoint_to_resume(const std::filesystem::path& checkpoints);

/// Completes what a crash prevented save_checkpoint from doing: points `latest` to `resumed`, the checkpoint that the
/// run continues from, and `best` to that of `best_step` if it exists; removes temporaries and all but `keep` old
/// checkpoints. Throws Error (io).
void recover(const std::filesystem::path& checkpoints, const std::filesystem::path& resumed,
             std::optional<std::int64_t> best_step, std::int64_t keep);

}  // namespace kiln
