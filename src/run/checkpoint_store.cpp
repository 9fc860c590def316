// Orders temporaries, renames and pointers so that a crash does no harm.
#include "kiln/run/checkpoint_store.h"

#include "kiln/core/file.h"
#include "kiln/core/report.h"
#include "kiln/run/run_directory.h"

#include <algorithm>
#include <system_error>

namespace kiln {
namespace {

namespace fs = std::filesystem;

bool is_finished(const fs::path& folder) { return path_exists(folder / kManifestFile); }

/// Returns the folder that an existing pointer file names, if that is a finished checkpoint.
std::optional<fs::path> follow(const fs::path& checkpoints, std::string_view pointer) {
  const std::string name = read_pointer(checkpoints / pointer);
  if (!step_of_checkpoint(name) || !is_finished(checkpoints / name)) return std::nullopt;
  return checkpoints / name;
}

void point(const fs::path& checkpoints, std::string_view pointer, const fs::path& folder) {
  write_file_atomically(checkpoints / pointer, folder.filename().string() + "\n");
}

std::vector<SavedCheckpoint> newest_first(const fs::path& checkpoints) {
  std::vector<SavedCheckpoint> all = list_checkpoints(checkpoints);
  std::reverse(all.begin(), all.end());
  return all;
}

/// Renames before removing: a partly removed folder must not look like a checkpoint.
void discard(const fs::path& folder) {
  const fs::path temporary =
      folder.parent_path() / fmt::format("{}old-{}", kTemporaryPrefix, folder.filename().string());
  std::error_code error;
  fs::rename(folder, temporary, error);
  if (!error) fs::remove_all(temporary, error);
  if (error) warn("{}: cannot be removed: {}", folder.string(), error.message());
}

void remove_temporaries(const fs::path& checkpoints) {
  for (const fs::path& path : list_temporaries(checkpoints)) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) warn("{}: cannot be removed: {}", path.string(), error.message());
  }
}

void prune(const fs::path& checkpoints, std::int64_t keep) {
  const std::optional<fs::path> latest = latest_checkpoint(checkpoints), best = best_checkpoint(checkpoints);
  std::int64_t kept = 0;
  for (const SavedCheckpoint& saved : newest_first(checkpoints)) {
    if (saved.step == 0 || saved.folder == latest || saved.folder == best) continue;
    if (++kept > keep) discard(saved.folder);
  }
}

}  // namespace

std::filesystem::path save_checkpoint(const std::filesystem::path& checkpoints, const CheckpointContents& contents,
                                      bool is_best, std::int64_t keep) {
  make_directories(checkpoints);
  remove_temporaries(checkpoints);
  const std::string name = checkpoint_name(contents.state.step);
  const fs::path temporary = checkpoints / fmt::format("{}{}", kTemporaryPrefix, name);
  fs::path folder = checkpoints / name;
  try {
    make_directories(temporary);
    write_checkpoint_folder(temporary, contents);
    replace_directory(temporary, folder);
  } catch (...) {
    std::error_code ignored;  // report the first failure
    fs::remove_all(temporary, ignored);
    throw;
  }
  if (is_best) point(checkpoints, kBestPointer, folder);
  point(checkpoints, kLatestPointer, folder);  // last: until then the run continues from the previous one
  prune(checkpoints, keep);
  return folder;
}

std::string read_pointer(const std::filesystem::path& pointer) {
  std::string name = read_file(pointer);
  while (name.ends_with('\n') || name.ends_with('\r')) name.pop_back();
  return name;
}

std::vector<std::filesystem::path> list_temporaries(const std::filesystem::path& checkpoints) {
  std::vector<fs::path> found = list_folder(checkpoints);
  std::erase_if(found, [](const fs::path& path) { return !path.filename().string().starts_with(kTemporaryPrefix); });
  return found;
}

std::optional<std::int64_t> forget_checkpoints(const std::filesystem::path& checkpoints, std::int64_t first) {
  std::vector<SavedCheckpoint> saved = newest_first(checkpoints);
  std::erase_if(saved, [](const SavedCheckpoint& each) { return !is_finished(each.folder); });
  if (saved.empty()) return std::nullopt;
  const auto sound = std::ranges::find_if(saved, [&](const SavedCheckpoint& each) { return each.step < first; });
  if (sound == saved.end()) return saved.front().step;
  point(checkpoints, kLatestPointer, sound->folder);
  const std::optional<fs::path> best = best_checkpoint(checkpoints);
  for (auto each = saved.begin(); each != sound; ++each) {
    if (each->folder != best) discard(each->folder);
  }
  return sound->step;
}

std::vector<SavedCheckpoint> list_checkpoints(const std::filesystem::path& checkpoints) {
  std::vector<SavedCheckpoint> found;
  for (const fs::path& path : list_folder(checkpoints)) {
    const std::optional<std::int64_t> step = step_of_checkpoint(path.filename().string());
    if (step && is_folder(path)) found.push_back({*step, path});
  }
  std::ranges::sort(found, {}, &SavedCheckpoint::step);
  return found;
}

std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& checkpoints) {
  const fs::path pointer = checkpoints / kLatestPointer;
  if (path_exists(pointer)) {
    if (std::optional<fs::path> folder = follow(checkpoints, kLatestPointer)) return folder;
  }
  for (const SavedCheckpoint& saved : newest_first(checkpoints)) {
    if (!is_finished(saved.folder)) continue;
    warn("{}: names no checkpoint; using the newest one: {}", pointer.string(), saved.folder.filename().string());
    return saved.folder;
  }
  return std::nullopt;
}

std::optional<std::filesystem::path> best_checkpoint(const std::filesystem::path& checkpoints) {
  const fs::path pointer = checkpoints / kBestPointer;
  if (!path_exists(pointer)) return std::nullopt;
  std::optional<fs::path> folder = follow(checkpoints, kBestPointer);
  if (!folder) warn("{}: names no checkpoint", pointer.string());
  return folder;
}

std::optional<std::filesystem::path> checkpoint_to_resume(const std::filesystem::path& checkpoints) {
  std::vector<SavedCheckpoint> all = newest_first(checkpoints);
  if (all.empty()) return std::nullopt;
  const std::optional<fs::path> latest = latest_checkpoint(checkpoints);
  std::stable_partition(all.begin(), all.end(), [&](const SavedCheckpoint& saved) { return saved.folder == latest; });
  for (const SavedCheckpoint& saved : all) {
    try {
      verify_checkpoint(saved.folder);
      return saved.folder;
    } catch (const NewerFormatError&) {
      throw;
    } catch (const Error& error) {
      if (error.code() != ExitCode::bad_input) throw;
      warn("{} is skipped: {}", saved.folder.filename().string(), error.what());
    }
  }
  fail(ExitCode::bad_input, "{}: {} intact; start again with --overwrite", checkpoints.string(),
       all.size() == 1 ? "the only checkpoint is not" : fmt::format("none of the {} checkpoints is", all.size()));
}

void recover(const std::filesystem::path& checkpoints, const std::filesystem::path& resumed,
             std::optional<std::int64_t> best_step, std::int64_t keep) {
  remove_temporaries(checkpoints);
  const auto set = [&](std::string_view pointer, const fs::path& folder) {
    const bool is_set = path_exists(checkpoints / pointer) && follow(checkpoints, pointer) == folder;
    if (!is_set && is_finished(folder)) point(checkpoints, pointer, folder);
  };
  set(kLatestPointer, resumed);
  if (best_step) set(kBestPointer, checkpoints / checkpoint_name(*best_step));
  prune(checkpoints, keep);
}

}  // namespace kiln
