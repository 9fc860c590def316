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

  // No fields: where this config comes from.
  std::filesystem::path directory;           // of the config file
  std::vector<std::filesystem::path> bases;  // of relative paths, in the order in which they are searched; "" is the
                                             // working directory; where there are none, that and `directory`

  /// Where a path or glob of this config is: in the first base that holds something of that name, else as it stands.
  std::filesystem::path locate(const std::string& path) const;

  /// The tokenizer's settings with the path, where there is one, as locate finds it.
  TokenizerConfig located_tokenizer() const;

  /// `data` with its paths located.
  DataConfig located_data() const;

  /// Makes the bases absolute and drops those that hold none of the config's relative paths, so that checkpoints record
  /// where the run found its files.
  void settle_bases();

  /// The bases, or those that stand for none.
  std::vector<std::filesystem::path> places() const;

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

/// A config file, read once, since it may be a pipe; a run directory stands for its config.json, whose relative paths
/// are searched where the run found them. Applies `overrides` ("key.path=value" each, the text after --set;
/// a value that is no JSON is a string; one of steps, epochs and time_budget takes the place of the others), puts
/// defaults into fields that are null, takes over from init_from (see init_from.h), and validates. Throws Error (usage)
/// with every problem, one a line: "tiny.json: /optimizer/learning_rat: unknown key; did you mean "learning_rate"?",
/// those of an override as "--set optimizer.learning_rat=1: /optimizer/...".
class ConfigFile {
 public:
  explicit ConfigFile(std::filesystem::path path, std::span<const std::string> overrides = {});

  /// A config that lies in no file; messages call it `source`.
  static ConfigFile of(const Json& document, const std::string& source, std::span<const std::string> overrides);

  /// For a run that is resumed, `resumed` is its config.json: what counts is then that config, then what the file has
  /// changed since the run's last start (see config_changes.h; a run of an older kiln does not know, and the whole file
  /// counts), then the overrides. init_from's model and tokenizer come from there too, and paths that are found nowhere
  /// else are searched where the run found them.
  Config config(Purpose purpose = Purpose::train,
                const std::optional<std::filesystem::path>& resumed = std::nullopt) const;

  /// Returns the keys that the file gives and a run that is resumed has otherwise, those of the overrides left out.
  std::vector<Difference> kept_by_run(const std::filesystem::path& resumed) const;

  /// The file as it was read.
  const std::string& text() const { return text_; }

  /// The `name` that config() would give, and nothing else looked at. Throws Error (usage) where there is no JSON.
  std::string name() const;

  /// The run directory whose config.json this is.
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

/// "/model/n_layers: 4 -> 6".
std::string to_string(const Difference& difference);

/// The fields that differ, in the struct's order.
std::vector<Difference> diff(const Config& before, const Config& after);

}  // namespace kiln
