// The other files of a run; the input's first line names the one that the rest stands for.
#include "kiln/core/file.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/metrics.h"
#include "kiln/run/run_directory.h"

#include <nlohmann/json.hpp>

#include "target.h"

namespace kiln::fuzz {
namespace {

void check_config(const Folder& folder) {
  const CheckpointConfig read = read_checkpoint_config(folder.path());
  require(read.vocab_size > 0, "a vocabulary of {}", read.vocab_size);
  const Json json = config_to_json(read.config);
  must([&] { return config_from_json(json, "again", Purpose::plan); });
}

void check_state(const Folder& folder) {
  const TrainerState state = read_trainer_state(folder.path());
  require(state.step >= 0 && state.tokens >= 0 && state.windows >= 0, "counts below 0");
  const Json json = to_json(state);
  folder.put("trainer.json", json.dump());
  require(to_json(must([&] { return read_trainer_state(folder.path()); })) == json, "another state: {}", json.dump());
}

/// Cut after a step, the rows up to it are left.
void check_metrics(const Folder& folder) {
  constexpr std::int64_t kStep = 5;
  const std::filesystem::path path = folder.path() / "metrics.jsonl";
  const MetricsLines lines = must([&] { return scan_metrics(path); });
  const auto kept = std::ranges::count_if(lines.rows, [](const MetricsRow& row) { return row.step <= kStep; });
  const std::string before = read_file(path);
  must([&] { truncate_metrics(path, kStep); });
  const MetricsLines after = must([&] { return scan_metrics(path); });
  require(std::ssize(after.rows) == kept && after.problems.empty() && !after.ends_within_a_line,
          "{} rows, not {}, after the others were cut off", after.rows.size(), kept);
  folder.put("metrics.jsonl", before);
  const std::vector<MetricsRow> rows = read_metrics(path);  // refused where a line is no row
  require(lines.problems.empty() && rows.size() == lines.rows.size(), "a line that is no row was taken");
}

void check_pointer(const Folder& folder) {
  for (const std::optional<std::filesystem::path>& found :
       {latest_checkpoint(folder.path()), best_checkpoint(folder.path())}) {
    if (found) require_within(folder.path(), *found);
  }
}

struct RunFile {
  std::string_view name;
  void (*check)(const Folder& folder);
};
constexpr RunFile kFiles[] = {{"kiln.json", check_config},
                              {"trainer.json", check_state},
                              {"metrics.jsonl", check_metrics},
                              {kLatestPointer, check_pointer},
                              {kBestPointer, check_pointer}};

/// A checkpoint for the pointers to point to.
class RunFolder : public Folder {
 public:
  RunFolder() { put("step-00000007/manifest.json", "{}"); }
};

}  // namespace

void fuzz_run_files(std::string_view input) {
  static const RunFolder folder;
  const std::size_t line = std::min(input.find('\n'), input.size());
  const auto* file = std::ranges::find(kFiles, input.substr(0, line), &RunFile::name);
  check_input(file != std::end(kFiles), "the first line names no file");
  folder.put(file->name, input.substr(std::min(line + 1, input.size())));
  file->check(folder);
  std::filesystem::remove(folder.path() / file->name);
}

}  // namespace kiln::fuzz
