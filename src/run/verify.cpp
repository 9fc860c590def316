// Checks every file against the manifest, then that the parts match.
#include "kiln/run/verify.h"

#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/interop/peft.h"
#include "kiln/nn/language_model.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/metrics.h"
#include "kiln/run/model_source.h"
#include "kiln/run/run_directory.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOtherCheckpoint = "take another checkpoint; --resume skips this one";

/// Converts a reader's error, which starts with the path, into a problem of that file.
FileProblem problem_of(const Error& error, const fs::path& folder, const std::string& file, std::string expected) {
  std::string found = error.what();
  for (const std::string& path : {(folder / file).string(), folder.string()}) {
    if (found.starts_with(path + ": ")) found.erase(0, path.size() + 2);
  }
  return {file, found, std::move(expected), kOtherCheckpoint};
}

/// Collects the problems of one folder.
class Examination {
 public:
  explicit Examination(const fs::path& folder) : folder_(folder) {}

  CheckpointReport run() {
    attempt(kManifestFile, "a manifest that this kiln reads", [&] { manifest_ = read_manifest(folder_); });
    if (manifest_) {
      for (const auto& [name, digest] : manifest_->files) examine_file(name, digest);
      examine_steps();
      examine_config();
      examine_tokenizer();
    }
    return {folder_, std::move(problems_), std::move(base_)};
  }

 private:
  /// Calls `call`; adds a problem and returns false if it throws.
  template <class Call>
  bool attempt(const std::string& file, const char* expected, Call&& call) {
    try {
      call();
      return true;
    } catch (const Error& error) {
      if (error.code() == ExitCode::io) throw;
      problems_.push_back(problem_of(error, folder_, file, expected));
      return false;
    }
  }

  void add(FileProblem problem) { problems_.push_back(std::move(problem)); }

  bool is_sound(const std::string& file) const {
    return std::ranges::find(problems_, file, &FileProblem::file) == problems_.end();
  }

  /// Returns true if the weights, in one file or in shards, or the adapters have passed.
  bool has_sound_weights() const {
    return std::ranges::all_of(manifest_->files, [&](const auto& file) {
      const bool is_weights = file.first.starts_with("model") || file.first.starts_with("adapter");
      return !is_weights || is_sound(file.first);
    });
  }

  void examine_file(const std::string& name, const FileDigest& digest) {
    attempt(name, "a file of this folder", [&] {
      std::optional<FileProblem> problem = examine_size(folder_, name, digest);
      if (!problem) problem = examine_contents(folder_, name, digest);
      if (problem) add(std::move(*problem));
    });
  }

  /// Compares the step in the manifest, in trainer.json and in the folder's name.
  void examine_steps() {
    if (is_sound(kStateFile)) {
      attempt(kStateFile, "the state of a run's training", [&] {
        const std::int64_t step = read_trainer_state(folder_).step;
        if (step == manifest_->step) return;
        add({kStateFile, fmt::format("is of step {}", step), fmt::format("the manifest of {}", manifest_->step),
             kOtherCheckpoint});
      });
    }
    const std::optional<std::int64_t> named = step_of_checkpoint(folder_.filename().string());
    if (!named || *named == manifest_->step) return;
    add({kManifestFile, fmt::format("is of step {}", manifest_->step),
         fmt::format("the folder is named for {}", *named),
         fmt::format("rename the folder to {}", checkpoint_name(manifest_->step))});
  }

  void examine_config() {
    if (!is_sound(kConfigFile)) return;
    attempt(kConfigFile, "a run's config that this kiln reads", [&] {
      const CheckpointConfig read = read_checkpoint_config(folder_);
      const std::uint64_t hash = hash_config(read_versioned(folder_ / kConfigFile)["config"]);
      if (manifest_->config && *manifest_->config != hash) {
        add({kConfigFile, fmt::format("the config's checksum is {}", hex(hash)),
             fmt::format("the manifest says {}", hex(*manifest_->config)), kOtherCheckpoint});
      }
      vocab_size_ = read.vocab_size;
      if (!has_sound_weights()) return;  // a layout is built only if the weights have the config's layers
      if (read.config.model.lora.is_on()) return examine_adapters(read);
      const bool fits = attempt(std::string(kWeightsFile), "the weights that the config describes",
                                [&] { check_config_against_weights(folder_, read.config.model); });
      if (fits) examine_tensors(read);
    });
  }

  /// Compares the head that a file names with that of the run's objective.
  void examine_head(std::string_view file, HeadKind head, const Config& config) {
    const HeadKind expected = config.model.head;
    if (predicts_tokens(head) == predicts_tokens(expected)) return;
    const auto name = [](HeadKind kind) { return kind == HeadKind::score ? "reward model" : "language model"; };
    add({std::string(file), fmt::format("is of a {}", name(head)),
         fmt::format("objective.type {} in kiln.json makes a {}",
                     kObjectiveKinds[static_cast<std::size_t>(config.objective.type)], name(expected)),
         kOtherCheckpoint});
  }

  /// Checks the names and shapes of all tensors against the config.
  void examine_tensors(const CheckpointConfig& read) {
    ModelConfig config = read.config.model;
    if (is_sound(kModelConfigFile)) {
      attempt(kModelConfigFile, "a config of the same model", [&] {
        const ModelDescription description = read_huggingface_config(folder_);
        config.head = description.model.head;
        examine_head(kModelConfigFile, config.head, read.config);
        if (description.vocab_size == read.vocab_size) return;
        add({kModelConfigFile, fmt::format("has a vocab_size of {}", description.vocab_size),
             fmt::format("kiln.json says {}", read.vocab_size), kOtherCheckpoint});
      });
    }
    const LanguageModel<float> model(config, read.vocab_size);
    attempt(std::string(kWeightsFile), "the weights that the config describes",
            [&] { check_huggingface_weights(folder_, config, model.layout); });
    examine_moments(read, config);
  }

  /// Checks the adapters against the config, and that their base model is there.
  void examine_adapters(const CheckpointConfig& read) {
    ModelConfig config = read.config.model;
    attempt(std::string(kAdapterWeightsFile), "the adapters that the config describes", [&] {
      const AdapterDescription description = read_adapter_description(folder_);
      config.lora.new_tokens = description.lora.new_tokens;
      config.head = description.head;
      examine_head(kAdapterConfigFile, config.head, read.config);
      const LanguageModel<float> model(config, read.vocab_size);
      const ParameterLayout layout = model.layout.subset(trains_with_adapters);
      ParameterBuffer<float> adapters(layout);
      read_adapters(folder_, config, adapters);
      examine_moments(read, config);
    });
    attempt(std::string(kAdapterConfigFile), "adapters that this kiln reads", [&] {
      try {
        open_model(folder_, std::nullopt, Verify::no);
      } catch (const BaseModelError& error) {
        base_ = error.problem();
      }
    });
  }

  /// `model` is that of the weights, which have no value head.
  void examine_moments(const CheckpointConfig& read, ModelConfig model) {
    const Config& config = read.config;
    if (config.model.head == HeadKind::next_token_and_value && predicts_tokens(model.head)) {
      model.head = config.model.head;
    }
    const LanguageModel<float> trained(model, read.vocab_size);
    const ParameterLayout& layout = trained.layout;
    if (manifest_->step == 0 || !is_sound(kOptimizerFile)) return;  // an imported model has no moments yet
    attempt(kOptimizerFile, "the moments that the config describes",
            [&] { check_optimizer(folder_, state_of_run(config, trainable_parameters(config.train, layout))); });
  }

  void examine_tokenizer() {
    if (!is_sound(kTokenizerFile)) return;
    attempt(kTokenizerFile, "a tokenizer that this kiln reads", [&] {
      const std::uint64_t hash = hash_file(folder_ / kTokenizerFile);
      if (manifest_->tokenizer && *manifest_->tokenizer != hash) {
        add({kTokenizerFile, fmt::format("the checksum is {}", hex(hash)),
             fmt::format("the manifest says {} of the tokenizer", hex(*manifest_->tokenizer)), kOtherCheckpoint});
      }
      const Index entries = load_tokenizer(folder_)->vocab_size();
      if (!vocab_size_ || entries <= *vocab_size_) return;
      add({kTokenizerFile, "has " + counted(entries, "entry"),
           "the model's embedding has " + counted(*vocab_size_, "row"), kOtherCheckpoint});
    });
  }

  fs::path folder_;
  std::optional<Manifest> manifest_;
  std::optional<Index> vocab_size_;  // if the config is readable
  std::vector<FileProblem> problems_;
  std::optional<FileProblem> base_;
};

PointerReport examine_pointer(const fs::path& checkpoints, std::string_view name,
                              const std::vector<CheckpointReport>& reports) {
  PointerReport report{.name = std::string(name), .target = std::nullopt, .problem = std::nullopt};
  const bool needed = name == kLatestPointer && !reports.empty();
  if (!path_exists(checkpoints / name)) {
    if (needed) report.problem = {report.name, "is missing", "the name of the newest checkpoint", "--resume writes it"};
    return report;
  }
  std::string text = read_pointer(checkpoints / name);
  const bool known =
      std::ranges::any_of(reports, [&](const CheckpointReport& r) { return r.folder.filename() == text; });
  if (!known) {
    report.problem = {report.name, fmt::format("names \"{}\"", text), "the name of an existing checkpoint",
                      "--resume continues from the newest whole checkpoint and writes it again"};
  }
  report.target = std::move(text);
  return report;
}

MetricsReport examine_metrics(const fs::path& path) {
  const MetricsLines lines = scan_metrics(path);
  MetricsReport report;
  report.rows = lines.rows.size();
  report.ends_within_a_line = lines.ends_within_a_line;
  const std::string file = path.filename().string();
  constexpr const char* kRemedy = "--resume drops the line with a warning";
  for (const std::string& problem : lines.problems) {
    report.problems.push_back({file, problem.substr(path.parent_path().string().size() + 1), "a row", kRemedy});
  }
  if (lines.rows.empty()) return report;
  report.first_step = lines.rows.front().step;
  report.last_step = lines.rows.back().step;
  for (std::size_t i = 1; i < lines.rows.size(); ++i) {
    const std::int64_t step = lines.rows[i].step, before = lines.rows[i - 1].step;
    if (step > before) continue;
    report.problems.push_back({file, fmt::format("has step {} after step {}", step, before), "each step once, in order",
                               "remove the repeated rows"});
  }
  return report;
}

}  // namespace

CheckpointReport examine_checkpoint(const std::filesystem::path& folder) { return Examination(folder).run(); }

bool RunReport::is_good() const {
  const bool checkpoints_good = std::ranges::all_of(checkpoints, &CheckpointReport::is_good);
  const bool pointers_good =
      std::ranges::none_of(pointers, [](const PointerReport& r) { return r.problem.has_value(); });
  return !checkpoints.empty() && checkpoints_good && pointers_good && (!metrics || metrics->problems.empty());
}

RunReport examine(const std::filesystem::path& path) {
  check_input(is_folder(path), "{}: is not a folder; a run directory or a checkpoint folder is expected",
              path.string());
  RunReport report;
  if (is_checkpoint(path) || path_exists(path / kManifestFile)) {
    report.checkpoints.push_back(examine_checkpoint(path));
    return report;
  }
  check_input(
      is_run_directory(path),
      "{}: is neither a run directory (with checkpoints/) nor a checkpoint folder (with kiln.json); name one that "
      "kiln train has made",
      path.string());
  const RunPaths paths{path};
  for (const SavedCheckpoint& saved : list_checkpoints(paths.checkpoints())) {
    report.checkpoints.push_back(examine_checkpoint(saved.folder));
  }
  for (const std::string_view name : {kLatestPointer, kBestPointer}) {
    report.pointers.push_back(examine_pointer(paths.checkpoints(), name, report.checkpoints));
  }
  report.metrics = examine_metrics(paths.metrics());
  for (const fs::path& each : list_temporaries(paths.checkpoints())) report.temporaries.push_back(each.filename());
  return report;
}

}  // namespace kiln
