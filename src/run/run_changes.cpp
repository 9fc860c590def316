// Locks a run while changing it; looks for references to it in neighbouring runs only.
#include "kiln/run/run_changes.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/file_lock.h"
#include "kiln/run/config.h"
#include "kiln/run/run_directory.h"

#include <algorithm>
#include <system_error>

namespace kiln {
namespace {

namespace fs = std::filesystem;

/// Returns the absolute path without a trailing slash, which would follow a link.
fs::path as_name(const fs::path& path) {
  const fs::path whole = fs::absolute(path).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

bool is_within(const fs::path& path, const fs::path& folder) {
  const fs::path inside = path.lexically_relative(folder);
  return !inside.empty() && *inside.begin() != "..";
}

/// Returns true if the run's config names a path in `run` for init_from or its tokenizer.
bool names(const RunPaths& other, const fs::path& run) {
  try {
    const Config config = read_resolved_config(other.config());
    for (const std::optional<std::string>& path : {config.init_from, config.tokenizer.path}) {
      if (path && is_within(fs::weakly_canonical(*path), run)) return true;
    }
  } catch (const std::exception&) {
    // Damaged, or without a config: it names nothing.
  }
  return false;
}

/// Collects links in a run's folder, checkpoints and tokens that lead into `run`.
void collect_links(const RunPaths& other, const fs::path& run, std::vector<fs::path>& links) {
  std::error_code error;
  for (const fs::path& folder : {other.root, other.checkpoints(), other.tokens()}) {
    if (fs::is_symlink(folder, error)) continue;
    for (const fs::path& path : list_folder(folder)) {
      if (fs::is_symlink(path, error) && is_within(fs::weakly_canonical(path, error), run)) links.push_back(path);
    }
  }
}

void check_unlinked(const fs::path& run) {
  const std::vector<fs::path> links = uses_of_run(run).links;
  check(links.empty(), "{}: {} points into it; first remove that link, or replace it by a copy", run.string(),
        links.empty() ? "" : links.front().string());
}

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  check_io(!error, "{}: cannot be removed: {}", path.string(), error.message());
}

}  // namespace

void check_changeable(const std::filesystem::path& run) {
  const fs::path name = as_name(run);
  std::error_code error;
  check(!fs::is_symlink(name, error), "{}: is a link to {}; name the run itself", run.string(),
        fs::read_symlink(name, error).string());
  check(is_folder(name) && is_run_directory(name), "{}: is not a run directory; kiln runs lists those of a folder",
        run.string());
  const auto process = lock_holder(RunPaths{name}.lock());
  check(!process, "{}: in use by process {}; wait until it ends, or stop it", run.string(), process.value_or(0));
}

RunUses uses_of_run(const std::filesystem::path& run) {
  RunUses uses;
  const fs::path self = fs::canonical(run);
  for (const fs::path& path : list_folder(self.parent_path())) {
    const RunPaths other{path};
    std::error_code error;
    const bool is_link = fs::is_symlink(path, error);
    if (is_link && is_within(fs::weakly_canonical(path, error), self)) uses.links.push_back(path);
    if (is_link || path == self || !is_folder(path) || !is_run_directory(path)) continue;
    collect_links(other, self, uses.links);
    if (names(other, self)) uses.configs.push_back(other.config());
  }
  return uses;
}

std::uint64_t size_of_run(const std::filesystem::path& run) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(run, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    if (entry->is_regular_file(gone) && !entry->is_symlink(gone)) bytes += entry->file_size(gone);
  }
  check_io(!error, "{}: cannot be listed: {}", run.string(), error.message());
  return bytes;
}

std::vector<std::filesystem::path> remove_run(const std::filesystem::path& run) {
  check_changeable(run);
  check_unlinked(run);
  const fs::path name = as_name(run);
  {
    RunDirectory directory(name, OpenMode::overwrite);
    directory.clear();
    directory.clear_tokens();
  }  // removes the lock too, if nothing else is left
  if (!is_folder(name)) return {};
  std::vector<fs::path> left = list_folder(name);
  std::erase(left, RunPaths{name}.lock());
  remove_file(RunPaths{name}.lock());
  if (!left.empty()) return left;
  remove_file(name);
  sync_directory(name.parent_path());
  return {};
}

void move_run(const std::filesystem::path& run, const std::filesystem::path& to) {
  check_changeable(run);
  check_unlinked(run);
  const fs::path from = as_name(run), target = as_name(to);
  std::error_code error;
  check(!fs::exists(fs::symlink_status(target, error)), "{}: exists already; name the new run directory, as in {}",
        to.string(), (to / from.filename()).string());
  check(!is_within(target, from), "{}: lies in {}", to.string(), run.string());
  check(is_folder(target.parent_path()), "{}: there is no folder {}", to.string(), target.parent_path().string());
  const FileLock lock(RunPaths{from}.lock());
  fs::rename(from, target, error);
  check_io(error != std::errc::cross_device_link,
           "{}: lies on another file system than {}; copy it there (cp -a), check the copy with kiln verify, and "
           "remove the run with kiln runs rm",
           to.string(), run.string());
  check_io(!error, "{}: cannot become {}: {}", run.string(), to.string(), error.message());
  sync_directory(target.parent_path());
  sync_directory(from.parent_path());
}

}  // namespace kiln
