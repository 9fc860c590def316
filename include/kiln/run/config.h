// The whole config of a run: read from a file and --set, checked at once, compared with another.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/data/data_config.h"
#include "kiln/nn/model_config.h"
#include "kiln/optim/optimizer_config.h"
#include "kiln/optim/schedule_config.h"
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
  DataConfig data;
  ModelConfig model;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  TrainConfig train;

  std::filesystem::path directory;  // of the config file; no field of it

  /// Where a path or glob of this config is: as it stands if something is there, else in the config file's folder if
  /// something is there, else as it stands.
  std::filesystem::path locate(const std::string& path) const;

  /// The tokenizer's settings with the path, where there is one, as locate finds it.
  TokenizerConfig located_tokenizer() const;

  template <class V>
  void visit(V& v) {
    v("name", name, "name of the run; its folder is runs/NAME unless --run names another");
    v("seed", seed, "seed of every random draw");
    v("init_from", init_from,
      "model to start from: a run, a checkpoint, a Hugging Face folder or a llm.c file; its architecture and tokenizer "
      "come with it");
    v("tokenizer", tokenizer, "how text becomes tokens");
    v("data", data, "the text");
    v("model", model, "the architecture");
    v("optimizer", optimizer, "how gradients move the weights");
    v("schedule", schedule, "how the learning rate changes over the run");
    v("train", train, "length, batches, and what happens how often");
  }
};

/// What a config is read for: training needs data.train, counting and checking do not.
enum class Purpose { train, plan };

/// A config file, read once, since it may be a pipe. Applies `overrides` ("key.path=value" each, the text after --set;
/// a value that is no JSON is a string; one of steps, epochs and time_budget takes the place of the others), puts
/// defaults into fields that are null, takes over from init_from (see init_from.h), and validates. Throws Error (usage)
/// with every problem, one a line: "tiny.json: /optimizer/learning_rat: unknown key; did you mean "learning_rate"?",
/// those of an override as "--set optimizer.learning_rat=1: /optimizer/...".
class ConfigFile {
 public:
  explicit ConfigFile(std::filesystem::path path, std::span<const std::string> overrides = {});

  /// For a run that is resumed, `resumed` is its config.json, where what init_from brought is taken from.
  Config config(Purpose purpose = Purpose::train,
                const std::optional<std::filesystem::path>& resumed = std::nullopt) const;

  /// The `name` that config() would give, and nothing else looked at. Throws Error (usage) where there is no JSON.
  std::string name() const;

 private:
  std::filesystem::path path_;
  std::vector<std::string> overrides_;
  std::string text_;
};

inline Config read_config(const std::filesystem::path& path, std::span<const std::string> overrides = {},
                          Purpose purpose = Purpose::train) {
  return ConfigFile(path, overrides).config(purpose);
}

/// A run's config.json, which says everything itself. Throws Error (bad_input).
Config read_resolved_config(const std::filesystem::path& path);

/// What read_config makes of JSON that is at hand, such as a checkpoint's kiln.json; `source` names it in messages,
/// `code` is what the Error carries.
Config config_from_json(const Json& json, std::string_view source, Purpose purpose = Purpose::train,
                        ExitCode code = ExitCode::usage);

/// The config as JSON with every key, which config_from_json reads back.
Json config_to_json(const Config& config);

/// The config as a person would write it: the keys whose values are not the defaults.
Json brief_config(const Config& config);

/// The JSON Schema of config files (`kiln train --schema`, configs/kiln.schema.json).
Json config_schema();

/// The config reference of the README, in Markdown.
std::string config_reference();

/// One field in which two configs differ, its values as JSON text.
struct Difference {
  std::string pointer;
  std::string before;
  std::string after;

  /// Whether a run is bound to the value, so that a resume that changes it is refused: model, tokenizer and kind of
  /// optimizer are, and whether it has momentum. Paths of data and tokenizer are not: what lies there must be the same,
  /// which is looked at when it is read.
  bool binds_run() const;
};

/// "/model/n_layers: 4 -> 6".
std::string to_string(const Difference& difference);

/// The fields that differ, in the struct's order.
std::vector<Difference> diff(const Config& before, const Config& after);

}  // namespace kiln
