// Checks before taking the lock, to leave no trace in a foreign folder, and again after it, against races.
#include "kiln/run/run_directory.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/file_lock.h"
#include "kiln/run/manifest.h"
#include "kiln/run/tensorboard.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStepPrefix = "step-";
constexpr std::size_t kStepDigits = 8;
constexpr std::uintmax_t kDearTokens = 100'000'000;  // bytes of tokens that take more than a few seconds to make

/// Returns true if the folder has only what a start without any step leaves: the lock and tokens.
bool holds_nothing(const RunPaths& paths) {
  return std::ranges::all_of(list_folder(paths.root),
                             [&](const fs::path& path) { return path == paths.lock() || path == paths.tokens(); });
}

void check_mode(const RunPaths& paths, OpenMode mode) {
  if (holds_nothing(paths)) return;
  const std::string root = paths.root.string();
  check(is_run_directory(paths.root), "{}: is not empty and not a run of kiln; choose another run directory with --run",
        root);
  check(mode != OpenMode::fresh,
        "{}: holds a run already; kiln train --resume continues it, --overwrite replaces it, --run DIR names another "
        "place",
        root);
}

/// Creates the folder, or accepts an existing one; returns the path of the lock to take.
fs::path prepare(const RunPaths& paths, OpenMode mode) {
  const std::string root = paths.root.string();
  std::error_code error;
  const fs::file_status status = fs::status(paths.root, error);
  check(!fs::exists(status) || fs::is_directory(status),
        "{}: is a file; a folder is expected; choose another run directory with --run", root);
  make_directories(paths.root);
  if (!is_file_lock(paths.lock())) check_mode(paths, mode);
  return paths.lock();
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  check_io(!error, "{}: cannot be removed: {}", path.string(), error.message());
}

bool is_kilns(std::string_view name) {
  return step_of_checkpoint(name) || name.starts_with(kTemporaryPrefix) || name == kLatestPointer ||
         name == kBestPointer;
}

/// Returns true if a folder "checkpoints" is kiln's: empty, or with a checkpoint that kiln began to write. Other
/// programs use such folders too, even with the same names in them.
bool holds_checkpoints(const fs::path& checkpoints) {
  if (!is_folder(checkpoints)) return false;
  const std::vector<fs::path> all = list_folder(checkpoints);
  return all.empty() || std::ranges::any_of(all, [](const fs::path& path) {
           const bool is_named = step_of_checkpoint(path.filename().string()).has_value();
           return is_named && (path_exists(path / kManifestFile) || path_exists(path / kConfigFile));
         });
}

/// Renames the checkpoints before removing anything, so that an interrupted removal leaves none to be resumed.
void remove_run(const RunPaths& paths) {
  std::vector<fs::path> ours = list_folder(paths.checkpoints());
  std::erase_if(ours, [](const fs::path& path) { return !is_kilns(path.filename().string()); });
  std::error_code error;
  for (fs::path& path : ours) {
    const std::string name = path.filename().string();
    if (!step_of_checkpoint(name)) continue;
    const fs::path nameless = path.parent_path() / fmt::format("{}old-{}", kTemporaryPrefix, name);
    fs::rename(path, nameless, error);
    check_io(!error, "{}: cannot be removed: {}", path.string(), error.message());
    path = nameless;
  }
  for (const fs::path& path : ours) remove_tree(path);
  fs::remove(paths.checkpoints(), error);  // fails if the user keeps something there
  for (const fs::path& path :
       {paths.config(), paths.given(), paths.places(), paths.metrics(), paths.log(), paths.plot()})
    remove_tree(path);
  for (const fs::path& path : list_event_files(paths.root)) remove_tree(path);
}

/// Returns a folder and its parents as far as they do not exist, innermost first.
std::vector<fs::path> missing_folders(const fs::path& path) {
  std::vector<fs::path> missing;
  for (fs::path folder = path; !folder.empty() && !path_exists(folder); folder = folder.parent_path())
    missing.push_back(folder);
  return missing;
}

std::uintmax_t bytes_in(const fs::path& folder) {
  std::uintmax_t bytes = 0;
  for (const fs::path& path : list_folder(folder)) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(path, error);
    if (!error) bytes += size;
  }
  return bytes;
}

}  // namespace

std::string RunPaths::name() const {
  return fs::absolute(root / "").lexically_normal().parent_path().filename().string();
}

std::string checkpoint_name(std::int64_t step) { return fmt::format("{}{:0{}}", kStepPrefix, step, kStepDigits); }

std::optional<std::int64_t> step_of_checkpoint(std::string_view name) {
  if (!name.starts_with(kStepPrefix)) return std::nullopt;
  name.remove_prefix(kStepPrefix.size());
  std::int64_t step = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  const bool sound = error == std::errc() && end == name.data() + name.size() && step >= 0;
  return sound && name.size() >= kStepDigits ? std::optional(step) : std::nullopt;
}

bool is_run_directory(const std::filesystem::path& root) {
  const RunPaths paths{root};
  return is_file_lock(paths.lock()) || holds_checkpoints(paths.checkpoints());
}

void check_not_within(const std::filesystem::path& path, const std::filesystem::path& run) {
  const fs::path inside = fs::weakly_canonical(path).lexically_relative(fs::weakly_canonical(run));
  check(inside.empty() || *inside.begin() == "..",
        "{}: lies in --run {}, which is replaced; name another run directory", path.string(), run.string());
}

RunDirectory::RunDirectory(const std::filesystem::path& root, OpenMode mode)
    : paths_{root},
      is_kilns_(!path_exists(root) || is_file_lock(paths_.lock())),
      made_(missing_folders(root)),
      lock_(prepare(paths_, mode), "choose another run directory with --run") {
  check_mode(paths_, mode);
}

RunDirectory::~RunDirectory() {
  try {
    if (holds_nothing(paths_) && bytes_in(paths_.tokens()) < kDearTokens) leave_no_trace();
  } catch (const Error&) {
    // Keep what cannot be examined.
  }
}

void RunDirectory::clear() { remove_run(paths_); }

void RunDirectory::clear_tokens() {
  const fs::path tokens = paths_.tokens();
  for (const fs::path& path : list_folder(tokens)) {
    const std::string name = path.filename().string();
    if (name.starts_with("train-") || name.starts_with("validation-") || path == tokens / "lock") remove_tree(path);
  }
  std::error_code not_empty;
  fs::remove(tokens, not_empty);
}

void RunDirectory::leave_no_trace() {
  clear_tokens();
  std::error_code error;  // ignored: the folder may contain foreign files
  fs::remove(paths_.lock(), error);
  if (is_kilns_) fs::remove(paths_.root, error);
  for (const fs::path& folder : made_) fs::remove(folder, error);
}

}  // namespace kiln
