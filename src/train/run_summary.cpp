// Reads each file independently, so that a damaged one loses only its own facts.
#include "kiln/train/run_summary.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/file_lock.h"
#include "kiln/core/report.h"
#include "kiln/nn/language_model.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/config.h"
#include "kiln/run/metrics.h"
#include "kiln/train/training_length.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <regex>
#include <system_error>

namespace kiln {
namespace {

namespace fs = std::filesystem;

/// The contents of the files that could be read.
struct RunFiles {
  std::optional<Config> config;
  std::optional<TrainerState> state;  // of the newest checkpoint whose state can be read
  std::vector<MetricsRow> rows;
};

/// Runs `read`. Adds its exception to the summary's problems and returns false.
bool read_or_note(RunSummary& summary, const std::function<void()>& read) {
  try {
    read();
    return true;
  } catch (const std::exception& error) {  // also file system errors
    summary.problems.emplace_back(error.what());
    return false;
  }
}

/// Reads the state of training and the model's size from the newest readable checkpoint.
void read_checkpoints(const RunPaths& paths, RunSummary& summary, RunFiles& files) {
  std::vector<SavedCheckpoint> saved;
  read_or_note(summary, [&] { saved = list_checkpoints(paths.checkpoints()); });
  std::reverse(saved.begin(), saved.end());
  for (const SavedCheckpoint& checkpoint : saved) {
    const bool is_sound = read_or_note(summary, [&] {
      verify_sizes(checkpoint.folder);
      files.state = read_trainer_state(checkpoint.folder);
      const CheckpointConfig config = read_checkpoint_config(checkpoint.folder);
      summary.parameters = LanguageModel<float>(config.config.model, config.vocab_size).layout.count();
    });
    if (is_sound) return;
  }
}

/// Returns the steps of the run: the config's, else (epochs, a time) the last checkpoint's.
std::optional<std::int64_t> total_steps(const RunFiles& files) {
  if (files.config && files.config->train.steps) return files.config->train.steps;
  return files.state ? files.state->total_steps : std::nullopt;
}

bool is_finished(const RunSummary& summary, const RunFiles& files) {
  if (!files.config || !files.state || summary.step > files.state->step) return false;
  if (files.state->evaluation_pending) return false;
  const TrainConfig& train = files.config->train;
  if (train.early_stopping && files.state->evaluations_since_best >= *train.early_stopping) return true;
  if (!train.time_budget) return summary.total_steps && summary.step >= *summary.total_steps;
  TrainingLength training_length = TrainingLength::after_seconds(train.time_budget->seconds);
  training_length.advance(*files.state);
  return training_length.is_reached();
}

/// Returns the message of the log's last entry if that is an error.
std::optional<std::string> last_error(const RunPaths& paths) {
  if (!path_exists(paths.log())) return std::nullopt;
  const std::string log = read_file(paths.log());
  static const std::regex entry(R"((?:^|\n)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (\w+): )");
  constexpr std::size_t kTail = 1 << 16;  // kiln writes no longer entries
  const std::string tail = log.substr(log.size() - std::min(log.size(), kTail));
  std::optional<std::string> message;
  for (std::sregex_iterator at(tail.begin(), tail.end(), entry), end; at != end; ++at) {
    message = (*at)[1] == "error" ? std::optional(at->suffix().str()) : std::nullopt;
  }
  while (message && message->ends_with('\n')) message->pop_back();
  return message;
}

RunStatus status_of(RunSummary& summary, const RunPaths& paths, const RunFiles& files) {
  summary.process = lock_holder(paths.lock());
  if (summary.process) return RunStatus::running;
  if (is_finished(summary, files)) return RunStatus::finished;
  std::optional<std::string> error;
  read_or_note(summary, [&] { error = last_error(paths); });
  if (error) {
    summary.problems.push_back(*error);
    return RunStatus::failed;
  }
  if (summary.step > 0) return RunStatus::interrupted;
  return files.state && files.state->threads == 0 ? RunStatus::imported : RunStatus::empty;  // not saved by training
}

/// Returns the time of the last write to a run's files, in seconds since 1970.
std::int64_t last_change(const RunPaths& paths) {
  std::int64_t last = 0;
  for (const fs::path& path : {paths.root, paths.lock(), paths.metrics(), paths.checkpoints() / kLatestPointer}) {
    std::error_code error;
    const fs::file_time_type time = fs::last_write_time(path, error);
    if (error) continue;
    const auto since_epoch = std::chrono::file_clock::to_sys(time).time_since_epoch();
    last = std::max<std::int64_t>(last, std::chrono::duration_cast<std::chrono::seconds>(since_epoch).count());
  }
  return last;
}

}  // namespace

RunSummary summarise_run(const std::filesystem::path& folder) {
  const RunPaths paths{folder};
  RunSummary summary;
  summary.folder = folder;
  summary.name = RunPaths{folder}.name();
  summary.changed = last_change(paths);
  RunFiles files;
  if (path_exists(paths.config())) read_or_note(summary, [&] { files.config = read_resolved_config(paths.config()); });
  read_checkpoints(paths, summary, files);
  read_or_note(summary, [&] { files.rows = read_metrics(paths.metrics()); });
  if (files.state) {
    summary.step = files.state->step;
    summary.tokens = files.state->tokens;
    summary.seconds = files.state->seconds;
    summary.best_loss = files.state->best_loss;
  }
  for (const MetricsRow& row : files.rows) {
    summary.step = std::max(summary.step, row.step);
    summary.tokens = std::max(summary.tokens, row.tokens);
    summary.seconds = std::max(summary.seconds, row.seconds);
    if (!row.validation_loss || *row.validation_loss > summary.best_loss.value_or(INFINITY)) continue;
    summary.best_loss = row.validation_loss;
    summary.bits_per_byte = row.bits_per_byte;
    summary.perplexity = row.perplexity;
    summary.accuracy = row.accuracy;
  }
  if (files.config && is_of_policy(files.config->objective.type) && summary.best_loss) {
    summary.best_reward = -*summary.best_loss;
    summary.best_loss.reset();
  }
  summary.total_steps = total_steps(files);
  summary.status = status_of(summary, paths, files);
  return summary;
}

std::vector<RunSummary> list_runs(const std::filesystem::path& folder) {
  check(is_folder(folder), "{}: there is no such folder; name the one that holds the runs", folder.string());
  std::vector<RunSummary> runs;
  if (is_run_directory(folder)) {
    runs.push_back(summarise_run(folder));
  } else {
    for (const fs::path& path : list_folder(folder)) {
      try {
        if (is_run_directory(path)) runs.push_back(summarise_run(path));
      } catch (const Error& error) {
        warn("{}; left out", error.what());
      }
    }
  }
  std::ranges::sort(runs, [](const RunSummary& a, const RunSummary& b) {
    return a.changed != b.changed ? a.changed > b.changed : a.name < b.name;
  });
  return runs;
}

}  // namespace kiln
