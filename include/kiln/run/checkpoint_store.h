// The checkpoints of a run: saved so that a crash at any instant leaves one that loads, found again, and pruned.
#pragma once

#include "kiln/run/checkpoint.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace kiln {

/// Saves into `checkpoints` (RUN/checkpoints, made where it is missing) and returns the new folder. In this order: a
/// temporary folder is written, flushed and renamed; with `is_best` `best`, and then `latest`, is pointed to it; old
/// checkpoints go, but for the newest `keep` (not counting step 0, best and latest). A folder of the same step is
/// replaced. Throws Error (io): the temporary is then removed, and `latest` says what it said.
std::filesystem::path save_checkpoint(const std::filesystem::path& checkpoints, const CheckpointContents& contents,
                                      bool is_best, std::int64_t keep);

/// Removes the checkpoints of step `first` and later, but for `best`; `latest` then names the newest before them. None
/// goes where there is none before them. Returns the step of the one to go on from. Throws Error (io).
std::optional<std::int64_t> forget_checkpoints(const std::filesystem::path& checkpoints, std::int64_t first);

struct SavedCheckpoint {
  std::int64_t step;
  std::filesystem::path folder;
};

/// The folders of checkpoints by step, whole or not; none where there is no such folder. Throws Error (io).
std::vector<SavedCheckpoint> list_checkpoints(const std::filesystem::path& checkpoints);

/// What saves that did not come to their end have left. Throws Error (io).
std::vector<std::filesystem::path> list_temporaries(const std::filesystem::path& checkpoints);

/// What a pointer, which is there, says. Throws Error (io).
std::string read_pointer(const std::filesystem::path& pointer);

/// What `latest` points to; where it is missing, empty or dangling, with a warning, the newest that was finished.
std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& checkpoints);

/// What `best` points to; nothing where there is no such file or, with a warning, where it is empty or dangling.
std::optional<std::filesystem::path> best_checkpoint(const std::filesystem::path& checkpoints);

/// For --resume: what `latest` points to or, where that does not verify, the newest that does; a warning for each that
/// does not. Nothing where there is none at all. Throws Error (bad_input) where none verifies, and NewerFormatError.
std::optional<std::filesystem::path> checkpoint_to_resume(const std::filesystem::path& checkpoints);

/// Does what a crash has kept save_checkpoint from doing: points `latest` to `resumed`, the checkpoint that the run
/// goes on from, and `best` to that of `best_step` where it is there; removes temporaries and all but `keep` old ones.
/// Throws Error (io).
void recover(const std::filesystem::path& checkpoints, const std::filesystem::path& resumed,
             std::optional<std::int64_t> best_step, std::int64_t keep);

}  // namespace kiln
