// A run's folder: the names in it, who may use it, and what may be cleared away.
#pragma once

#include "kiln/core/file_lock.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Where things lie in a run directory.
struct RunPaths {
  std::filesystem::path root;

  /// The folder's own name, however it is spelled: "x" for runs/x/ and, where that is the working directory, for ".".
  std::string name() const;

  std::filesystem::path config() const { return root / "config.json"; }     // as resolved
  std::filesystem::path given() const { return root / "given.json"; }       // CONFIG as it was given, without --set
  std::filesystem::path metrics() const { return root / "metrics.jsonl"; }  // see metrics.h
  std::filesystem::path log() const { return root / "train.log"; }
  std::filesystem::path plot() const { return root / "loss.svg"; }
  std::filesystem::path tokens() const { return root / "tokens"; }            // folder of cached token files
  std::filesystem::path checkpoints() const { return root / "checkpoints"; }  // folder, see checkpoint_store.h
  std::filesystem::path lock() const { return root / "lock"; }                // names the process at work
};

/// Names within RUN/checkpoints: "step-00000500", temporaries that a crash may leave, and two one-line files that hold
/// the name of a step's folder.
inline constexpr std::string_view kTemporaryPrefix = ".tmp-";
inline constexpr std::string_view kLatestPointer = "latest";
inline constexpr std::string_view kBestPointer = "best";
std::string checkpoint_name(std::int64_t step);
std::optional<std::int64_t> step_of_checkpoint(std::string_view name);

/// fresh: nothing may be there; resume: nothing, or a run; overwrite: the same, and the run is to be cleared away.
enum class OpenMode { fresh, resume, overwrite };

/// A run directory in use by this process alone, for as long as this object lives.
class RunDirectory {
 public:
  /// Creates the folder where it is missing.
  /// Throws Error: usage where the mode does not allow what is there, or another process uses it (its id is named); io
  /// where the folder cannot be made or written.
  RunDirectory(const std::filesystem::path& root, OpenMode mode);

  /// Removes the folder, and those made for it, where nothing has come of the run but tokens that are soon made again.
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const RunPaths& paths() const { return paths_; }

  /// Removes the run that is there: what kiln has written and nothing else, and not the cached tokens, which are named
  /// by what they were made from. Throws Error (io).
  void clear();

  /// Removes the cached tokens too, but what others keep among them. Throws Error (io).
  void clear_tokens();

 private:
  void leave_no_trace();

  RunPaths paths_;
  bool is_kilns_;                            // the folder: it was made here, or held a lock already
  std::vector<std::filesystem::path> made_;  // folders, the innermost first
  FileLock lock_;
};

/// Whether kiln has begun a run there. Throws Error (io) where its checkpoints cannot be listed.
bool is_run_directory(const std::filesystem::path& root);

/// Throws Error (usage) where replacing the run would remove `path`.
void check_not_within(const std::filesystem::path& path, const std::filesystem::path& run);

}  // namespace kiln
