// Checks before the lock, so that no trace is left in a foreign folder, and after it, so that nobody comes between.
#include "kiln/run/run_directory.h"

#include "kiln/core/error.h"
#include "kiln/run/event_file.h"

#include <charconv>
#include <system_error>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStepPrefix = "step-";
constexpr std::size_t kStepDigits = 8;

/// Whether there is nothing but what a start leaves that came to no step: the lock, and tokens made in vain.
bool holds_nothing(const RunPaths& paths) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(paths.root, error)) {
    if (entry.path() != paths.lock() && entry.path() != paths.tokens()) return false;
  }
  check_io(!error, "{}: cannot be listed: {}", paths.root.string(), error.message());
  return true;
}

void check_mode(const RunPaths& paths, OpenMode mode) {
  if (holds_nothing(paths)) return;
  const std::string root = paths.root.string();
  check(is_run_directory(paths.root),
        "{}: is not empty, and what is in it is no run of kiln's; choose another run directory with --run", root);
  check(mode != OpenMode::fresh,
        "{}: holds a run already; continue it with --resume, replace it with --overwrite, or choose another run "
        "directory with --run",
        root);
}

/// Makes the folder, or accepts the one that is there; returns the path of the lock to take.
fs::path prepare(const RunPaths& paths, OpenMode mode) {
  const std::string root = paths.root.string();
  std::error_code error;
  const fs::file_status status = fs::status(paths.root, error);
  check(!fs::exists(status) || fs::is_directory(status),
        "{}: is a file; a folder is expected; choose another run directory with --run", root);
  check_io(make_directories(paths.root, error), "{}: the run directory cannot be made: {}", root, error.message());
  if (!path_exists(paths.lock())) check_mode(paths, mode);
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

/// The checkpoints lose their names before anything is removed, so that one end half-way leaves none to be resumed.
void remove_run(const RunPaths& paths) {
  std::error_code error;
  std::vector<fs::path> ours;
  for (const fs::directory_entry& entry : fs::directory_iterator(paths.checkpoints(), error)) {
    if (is_kilns(entry.path().filename().string())) ours.push_back(entry.path());
  }
  for (fs::path& path : ours) {
    const std::string name = path.filename().string();
    if (!step_of_checkpoint(name)) continue;
    const fs::path nameless = path.parent_path() / fmt::format("{}old-{}", kTemporaryPrefix, name);
    fs::rename(path, nameless, error);
    check_io(!error, "{}: cannot be removed: {}", path.string(), error.message());
    path = nameless;
  }
  for (const fs::path& path : ours) remove_tree(path);
  fs::remove(paths.checkpoints(), error);  // unless the user keeps something there
  for (const fs::path& path : {paths.config(), paths.metrics(), paths.log(), paths.plot()}) remove_tree(path);
  for (const fs::path& path : list_event_files(paths.root)) remove_tree(path);
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
  return is_folder(paths.checkpoints()) || path_exists(paths.lock());
}

RunDirectory::RunDirectory(const std::filesystem::path& root, OpenMode mode)
    : paths_{root}, lock_(prepare(paths_, mode)) {
  check_mode(paths_, mode);
}

void RunDirectory::clear() { remove_run(paths_); }

}  // namespace kiln
