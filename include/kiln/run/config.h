// Reads a run's whole config from a file and --set, checks it, and compares it with others.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/data/data_config.h"
#include "kiln/nn/model_config.h"
#include "kiln/optim/optimizer_config.h"
#include "kiln/optim/schedule_config.h"
#include "kiln/run/distributed_config.h"
#include "kiln/run/objective_config.h"
#include "kiln/run/policy_config.h"
#include "kiln/run/train_config.h"
#include "kiln/text/tokenizer_config.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

struct Config {
  std::string name = "run";
  std::uint64_t seed = 1337;
  std::optional<std::string> init_from;
  TokenizerConfig tokenizer;
  ChatConfig chat;
  DataConfig data;
  ObjectiveConfig objective;
  PolicyConfig policy;
  ModelConfig model;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  TrainConfig train;
  DistributedConfig distributed;

  // Not fields: where this config comes from.
  std::filesystem::path directory;           // of the config file
  std::vector<std::filesystem::path> bases;  // of relative paths, in search order; "" is the working directory; if
                                             // empty, "" and `directory` are searched

  /// Returns the location of a path or glob: in the first base where it matches something, or else as it is.
  std::filesystem::path locate(const std::string& path) const;

  /// Returns the tokenizer's settings with their path, if any, located.
  TokenizerConfig located_tokenizer() const;

  /// Returns `data` with its paths located.
  DataConfig located_data() const;

  /// Makes the bases absolute and drops those in which none of the config's relative paths exists, so that checkpoints
  /// record where the run found its files.
  void settle_bases();

  /// Returns the bases, or their defaults if there are none.
  std::vector<std::filesystem::path> places() const;

  template <class V>
  void visit(V& v) {
    v("name", name, "name of the run; its folder is runs/NAME unless --run names another");
    v("seed", seed, "seed of every random draw");
    v("init_from", init_from,
      "model to start from: a run, a checkpoint, a Hugging Face folder or a llm.c file; brings its architecture and "
      "tokenizer");
    v("tokenizer", tokenizer, "how text becomes tokens");
    v("chat", chat, "conversations");
    v("data", data, "the text");
    v("objective", objective, "the loss that training minimizes");
    v("policy", policy, "policy gradients: how answers are drawn and scored, and how the model learns from that");
    v("model", model, "the architecture");
    v("lora", model.lora, "low-rank adapters that train in place of the weights (LoRA, arXiv:2106.09685)");
    v("optimizer", optimizer, "how gradients move the weights");
    v("schedule", schedule, "how the learning rate changes over the run");
    v("train", train, "length of the run, batches, evaluations, checkpoints, logging");
    v("distributed", distributed, "training by several processes, on one machine or many (mpirun)");
  }
};

/// The purpose of reading a config: training needs data.train, counting and checking do not.
enum class Purpose { train, plan };

/// A field in which two configs differ, with its values as JSON text.
struct Difference {
  std::string pointer;
  std::string before;
  std::string after;

  /// Returns true if a resume must not change this value: those of model, tokenizer and optimizer type, and whether SGD
  /// has momentum. Paths of data and tokenizer may change: what is there must be the same, which is checked on reading.
  bool binds_run() const;
};

/// A config file, read once, since it may be a pipe. A run directory stands for its config.json, whose relative paths
/// are searched where the run found them. Applies `overrides` ("key.path=value" each, the text after --set; a value
/// that is not JSON is a string; setting one of steps, epochs and time_budget unsets the others), replaces null fields
/// by defaults, inherits from init_from (see init_from.h), and validates. Throws Error (usage) with every problem, one
/// per line: "tiny.json: /optimizer/learning_rat: unknown key; did you mean "learning_rate"?", or, for an override,
/// "--set optimizer.learning_rat=1: /optimizer/...".
class ConfigFile {
 public:
  explicit ConfigFile(std::filesystem::path path, std::span<const std::string> overrides = {});

  /// Wraps a config that is not in a file; messages call it `source`.
  static ConfigFile of(const Json& document, const std::string& source, std::span<const std::string> overrides);

  /// Returns the config. To resume a run, pass its config.json as `resumed`: then the result is that config, with the
  /// changes to the file since the run's last start (see config_changes.h; runs of older versions did not record it,
  /// and use the whole file), then the overrides. It also provides the model and tokenizer of init_from, and further
  /// places in which to search for paths.
  Config config(Purpose purpose = Purpose::train,
                const std::optional<std::filesystem::path>& resumed = std::nullopt) const;

  /// Returns the keys in the file whose values differ in a resumed run, except those of the overrides.
  std::vector<Difference> kept_by_run(const std::filesystem::path& resumed) const;

  /// Returns the file as it was read.
  const std::string& text() const { return text_; }

  /// Returns the `name` that config() would give, without checking anything else. Throws Error (usage) if the file is
  /// not JSON.
  std::string name() const;

  /// Returns the run directory whose config.json this is.
  const std::optional<std::filesystem::path>& run() const { return run_; }

 private:
  ConfigFile() = default;
  Json document(Problems& problems, const std::optional<std::filesystem::path>& resumed = std::nullopt) const;
  Config place(const std::optional<std::filesystem::path>& resumed) const;

  std::optional<std::filesystem::path> run_;
  std::filesystem::path path_;
  std::vector<std::string> overrides_;
  std::string text_;
};

inline Config read_config(const std::filesystem::path& path, std::span<const std::string> overrides = {},
                          Purpose purpose = Purpose::train) {
  return ConfigFile(path, overrides).config(purpose);
}

/// Reads a run's config.json, which is complete in itself. Throws Error (bad_input).
Config read_resolved_config(const std::filesystem::path& path);

/// Returns the config of a JSON document, such as a checkpoint's kiln.json, as read_config does. Messages call it
/// `source`; the Error has exit code `code`.
Config config_from_json(const Json& json, std::string_view source, Purpose purpose = Purpose::train,
                        ExitCode code = ExitCode::usage);

/// Returns the config as JSON with every key; config_from_json reads it back.
Json config_to_json(const Config& config);

/// Returns the places in which a config's files were found, absolute, as a run and its checkpoints keep them.
Json places_to_json(const Config& config);

/// Returns the keys whose values are not the defaults, as a person would write the config.
Json brief_config(const Config& config);

/// Returns the JSON Schema of config files (`kiln train --schema`, configs/kiln.schema.json).
Json config_schema();

/// Returns the reference of all keys in Markdown (`kiln train --reference`, docs/config.md).
std::string config_reference();

/// Returns "/model/n_layers: 4 -> 6".
std::string to_string(const Difference& difference);

/// Returns the fields that differ, in the struct's order.
std::vector<Difference> diff(const Config& before, const Config& after);

}  // namespace kiln
