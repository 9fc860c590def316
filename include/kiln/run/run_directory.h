// Manages a run's folder: its file names, exclusive use, and removal of its contents.
#pragma once

#include "kiln/core/file_lock.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

inline constexpr std::string_view kPlacesFile = "places.json";

/// The paths in a run directory.
struct RunPaths {
  std::filesystem::path root;

  /// Returns the folder's own name, however it is spelled: "x" for runs/x/, and for "." if that is the working
  /// directory.
  std::string name() const;

  std::filesystem::path config() const { return root / "config.json"; }     // as resolved
  std::filesystem::path given() const { return root / "given.json"; }       // CONFIG as given, without --set
  std::filesystem::path places() const { return root / kPlacesFile; }       // where CONFIG's files were found
  std::filesystem::path metrics() const { return root / "metrics.jsonl"; }  // see metrics.h
  std::filesystem::path log() const { return root / "train.log"; }
  std::filesystem::path plot() const { return root / "loss.svg"; }
  std::filesystem::path tokens() const { return root / "tokens"; }            // folder of cached token files
  std::filesystem::path checkpoints() const { return root / "checkpoints"; }  // folder, see checkpoint_store.h
  std::filesystem::path lock() const { return root / "lock"; }  // contains the id of the process that uses the run
};

/// Names within RUN/checkpoints: "step-00000500", temporaries that a crash may leave, and two one-line files that
/// contain the name of a step's folder.
inline constexpr std::string_view kTemporaryPrefix = ".tmp-";
inline constexpr std::string_view kLatestPointer = "latest";
inline constexpr std::string_view kBestPointer = "best";
std::string checkpoint_name(std::int64_t step);
std::optional<std::int64_t> step_of_checkpoint(std::string_view name);

/// fresh: the folder must be empty or missing; resume: it may also hold a run; overwrite: likewise, and the caller
/// clears it.
enum class OpenMode { fresh, resume, overwrite };

/// Gives this process exclusive use of a run directory during this object's lifetime.
class RunDirectory {
 public:
  /// Creates the folder if it is missing. Throws Error: usage if the mode does not allow what is there, or another
  /// process uses it (the message gives its id); io if the folder cannot be created or written.
  RunDirectory(const std::filesystem::path& root, OpenMode mode);

  /// Removes the folder, and any parents created for it, if it holds nothing but tokens that are quickly made again.
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const RunPaths& paths() const { return paths_; }

  /// Removes the run that is there: only what kiln wrote, and not the cached tokens, whose names identify their inputs.
  /// Throws Error (io).
  void clear();

  /// Removes the cached tokens too, but no foreign files beside them. Throws Error (io).
  void clear_tokens();

 private:
  void leave_no_trace();

  RunPaths paths_;
  bool is_kilns_;                            // the folder was created here, or already contained a lock
  std::vector<std::filesystem::path> made_;  // folders, innermost first
  FileLock lock_;
};

/// Returns true if kiln has started a run there. Throws Error (io) if its checkpoints cannot be listed.
bool is_run_directory(const std::filesystem::path& root);

/// Throws Error (usage) if replacing the run would remove `path`.
void check_not_within(const std::filesystem::path& path, const std::filesystem::path& run);

}  // namespace kiln
