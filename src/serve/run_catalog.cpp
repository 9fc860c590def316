// Lists runs from the ends of their files, and reads a whole file once its curves are asked for.
#include "serve/run_catalog.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/nearest.h"
#include "kiln/core/report.h"
#include "kiln/core/utf8.h"
#include "kiln/run/config.h"
#include "kiln/run/run_directory.h"

#include "serve/api_error.h"
#include <algorithm>
#include <sys/stat.h>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kListedBytes = 256 << 10;  // at the end of a file, for the list

/// What tells a state of a file from another.
struct FileState {
  std::uint64_t inode = 0, size = 0;
  std::int64_t seconds = 0, nanoseconds = 0;

  bool operator==(const FileState&) const = default;
};

FileState state_of(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return {};
  return {status.st_ino, static_cast<std::uint64_t>(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

/// Returns whether a run's folder lies within another, whatever links there are.
bool lies_within(const fs::path& run, const fs::path& folder) {
  try {
    path_within(folder, run.filename());
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool is_run(const fs::path& path) {
  try {
    return is_folder(path) && is_run_directory(path);
  } catch (const Error& error) {
    warn("{}; left out", error.what());
    return false;
  }
}

}  // namespace

/// A run, and what is known of its files.
struct RunCatalog::Run {
  explicit Run(const fs::path& root) : paths{root}, metrics(paths.metrics()), log(paths.log()) {}

  void read_metrics();
  void read_log();
  void update_facts();
  void read_config();
  void take_facts(const MetricColumns& of);

  RunPaths paths;
  GrowingFile metrics;
  GrowingFile log;
  MetricColumns columns;
  bool has_columns = false;
  SampleLog samples;
  RunFacts facts;
  FileState metrics_state, config_state;  // that facts are of
  std::uint64_t last_use = 0;
};

void RunCatalog::Run::read_metrics() {
  metrics.read([this] { columns.clear(); }, [this](std::string_view line) { columns.add(line); });
  has_columns = true;
}

void RunCatalog::Run::read_log() {
  log.read([this] { samples.clear(); }, [this](std::string_view line) { samples.add(line); });
}

void RunCatalog::Run::update_facts() {
  facts.problems.clear();
  if (const FileState now = state_of(paths.config()); now != config_state || now == FileState()) {
    read_config();
    config_state = facts.problems.empty() ? now : FileState();  // else the problem is to be found again
  }
  if (const FileState now = state_of(paths.metrics()); now != metrics_state) {
    metrics_state = now;
    ++facts.version;
    facts.changed = now.seconds;
    if (has_columns) {
      read_metrics();
      take_facts(columns);
    } else {
      MetricColumns end;
      const std::string lines = last_lines(paths.metrics(), kListedBytes);
      for (std::size_t at = 0, feed; (feed = lines.find('\n', at)) != std::string::npos; at = feed + 1) {
        end.add(std::string_view(lines).substr(at, feed - at));
      }
      take_facts(end);
    }
  }
  facts.is_training = state_of(paths.lock()) != FileState() && lock_holder(paths.lock()).has_value();
}

void RunCatalog::Run::read_config() {
  facts.config = Json();
  facts.objective.clear();
  facts.total_steps.reset();
  if (!path_exists(paths.config())) return;
  try {
    path_within(paths.root, paths.config().filename());
    const Config config = read_resolved_config(paths.config());
    facts.objective = name_of(config.objective.type);
    facts.config = brief_config(config);
    facts.total_steps = config.train.steps;
  } catch (const Error& error) {
    facts.problems.emplace_back(error.what());
  }
}

void RunCatalog::Run::take_facts(const MetricColumns& of) {
  facts.last.clear();
  facts.step = facts.tokens = facts.seconds = 0;
  if (of.rows() == 0) return;
  facts.step = of.axis(RunAxis::step).back();
  facts.tokens = of.axis(RunAxis::tokens).back();
  facts.seconds = of.axis(RunAxis::seconds).back();
  for (const MetricColumn& column : of.columns()) {
    if (const std::optional<float> value = column.last()) facts.last.emplace_back(column.key(), *value);
  }
}

RunCatalog::RunCatalog(fs::path folder, std::size_t most_bytes) : folder_(std::move(folder)), most_bytes_(most_bytes) {}

RunCatalog::~RunCatalog() = default;

std::vector<RunFacts> RunCatalog::list() {
  refresh();
  std::vector<RunFacts> list;
  for (const auto& [name, run] : runs_) {
    run->update_facts();
    list.push_back(run->facts);
    list.back().name = name;
  }
  return list;
}

const MetricColumns& RunCatalog::columns(std::string_view name) {
  Run& run = find(name);
  run.read_metrics();
  run.last_use = ++uses_;
  free_for(run);
  return run.columns;
}

const SampleLog& RunCatalog::samples(std::string_view name) {
  Run& run = find(name);
  run.read_log();
  return run.samples;
}

fs::path RunCatalog::folder(std::string_view name) { return find(name).paths.root; }

std::size_t RunCatalog::bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, run] : runs_) bytes += run->columns.bytes();
  return bytes;
}

/// Makes the table that of the folder. Runs that stay keep what is known of them.
void RunCatalog::refresh() {
  std::vector<fs::path> paths;
  if (is_run(folder_)) {
    paths.push_back(folder_);
  } else {
    for (const fs::path& path : list_folder(folder_)) {
      if (lies_within(path, folder_) && is_run(path)) paths.push_back(path);
    }
  }
  std::map<std::string, std::unique_ptr<Run>, std::less<>> runs;
  for (const fs::path& path : paths) {
    std::string name = utf8_replace_invalid(RunPaths{path}.name());  // as JSON and pages can hold it
    while (runs.contains(name)) name += "'";
    const auto known = runs_.find(name);
    const bool stays = known != runs_.end() && known->second != nullptr && known->second->paths.root == path;
    runs[name] = stays ? std::move(known->second) : std::make_unique<Run>(path);
  }
  runs_ = std::move(runs);
}

RunCatalog::Run& RunCatalog::find(std::string_view name) {
  auto found = runs_.find(name);
  if (found == runs_.end()) {
    refresh();
    found = runs_.find(name);
  }
  if (found != runs_.end()) return *found->second;
  std::vector<std::string_view> names;
  for (const auto& [known, run] : runs_) names.push_back(known);
  const std::string_view meant = nearest(name, names);
  throw ApiError(404,
                 fmt::format("there is no run \"{}\" here{}", utf8_replace_invalid(name),
                             meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant)),
                 "run");
}

/// Drops the columns that were used longest ago until the others fit.
void RunCatalog::free_for(const Run& used) {
  for (std::size_t all = bytes(); all > most_bytes_;) {
    Run* oldest = nullptr;
    for (const auto& [name, run] : runs_) {
      const bool is_older = oldest == nullptr || run->last_use < oldest->last_use;
      if (run->has_columns && run.get() != &used && is_older) oldest = run.get();
    }
    if (oldest == nullptr) return;
    oldest->columns = MetricColumns();
    oldest->metrics = GrowingFile(oldest->paths.metrics());
    oldest->has_columns = false;
    all = bytes();
  }
}

}  // namespace kiln
