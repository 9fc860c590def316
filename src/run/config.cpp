// Reads a config: file, overrides, fields, checks, defaults, in this order.
#include "kiln/run/config.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/utf8.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/init_from.h"
#include "kiln/run/run_directory.h"

#include <nlohmann/json.hpp>

#include "run/config_changes.h"
#include "run/config_places.h"
#include <algorithm>
#include <sstream>

namespace kiln {
namespace {

constexpr double kMostTokens = 1e18;    // of a run
constexpr double kMostElements = 1e15;  // of one buffer, so that its size in bytes fits easily in 64 bits

/// Returns the value of an override: JSON, or else the text itself.
Json value_of(std::string_view text) {
  try {
    return parse_json(text, "", ExitCode::usage);
  } catch (const Error&) {
    return std::string(text);
  }
}

/// Sets "key.path=value" in an object, and attributes later problems there to the override.
void apply_override(Json& document, std::string_view assignment, Problems& problems) {
  const std::string source = fmt::format("--set {}", utf8_replace_invalid(assignment));
  check(utf8_valid_until(assignment, 0) == assignment.size(), "{}: is not UTF-8; a config must be", source);
  const std::size_t equals = assignment.find('=');
  const bool has_path = equals != std::string_view::npos && equals > 0 && assignment[equals - 1] != '.';
  check(has_path, "{}: key.path=value is expected, as in model.n_layers=6", source);
  Json* node = &document;
  std::string pointer;
  bool attributed = false;
  std::istringstream path{std::string(assignment.substr(0, equals))};
  for (std::string key; std::getline(path, key, '.');) {
    if (!node->is_object()) {  // from here on, everything is from the override
      *node = Json::object();
      if (!attributed) problems.attribute(pointer, source);
      attributed = true;
    }
    pointer = child_pointer(pointer, key);
    node = &(*node)[key];
  }
  if (!attributed) problems.attribute(pointer, source);
  *node = value_of(assignment.substr(equals + 1));
  if (!node->is_null()) displace_other_lengths(document, pointer);
}

/// Checks that ranks are together whenever something looks at the weights, and agree on how long the run is.
void check_local_steps(const Config& config, Problems& problems) {
  const TrainConfig& train = config.train;
  const std::int64_t local = config.distributed.local_steps;
  for (const auto& [every, pointer] :
       {std::pair(train.eval_every, "/train/eval_every"), std::pair(train.checkpoint_every, "/train/checkpoint_every"),
        std::pair(train.sample_every, "/train/sample_every")}) {
    if (every % local == 0) continue;
    problems.add(pointer,
                 "{} is not a multiple of distributed.local_steps, {}: only then all ranks have the same weights",
                 every, local);
  }
  if (train.time_budget) problems.add("/train/time_budget", "needs ranks that share every step; set train.steps");
  if (is_of_policy(config.objective.type)) {
    problems.add("/distributed/local_steps", "is for batches of data; a policy draws its answers with shared weights");
  }
}

/// Checks what involves several sections.
void check_together(const Config& config, Problems& problems) {
  const TrainConfig& train = config.train;
  const ModelConfig& model = config.model;
  if (config.name.empty()) problems.add("/name", "is empty; it names the folder of the run");
  if (config.name == "." || config.name == ".." || config.name.find('/') != std::string::npos) {
    problems.add("/name", "\"{}\" cannot name a folder in runs/; --run takes any path", config.name);
  }
  if (!config.data.mix.empty() && config.objective.type != ObjectiveKind::sft) {
    problems.add("/data/mix", "is for conversations (objective.type \"sft\"); name other data in data.train");
  }
  for (const auto& [is_set, pointer] : {std::pair(train.early_stopping.has_value(), "/train/early_stopping"),
                                        std::pair(train.sample_at_evaluations, "/train/sample_at_evaluations")}) {
    if (!is_set || config.data.has_validation()) continue;
    problems.add(pointer, "needs held-out text; set data.validation or data.validation_fraction");
  }
  if (config.objective.type == ObjectiveKind::reward && train.samples()) {
    problems.add(train.sample_every > 0 ? "/train/sample_every" : "/train/sample_at_evaluations",
                 "a reward model writes no text (objective.type \"reward\"); leave it out");
  }
  if (is_of_policy(config.objective.type) && config.distributed.leaves) {
    problems.add("/distributed/leaves", "is for batches of data; the answers that a policy draws depend on the ranks");
  }
  if (is_of_policy(config.objective.type)) {
    const char* why =
        "is not 0, and a policy gradient needs the probabilities that answers were drawn with; leave it out";
    if (config.policy.kl_target && config.objective.beta == 0) {
      problems.add("/policy/kl_target",
                   "has nothing to adapt: objective.beta is 0; set it to a first guess, such as 0.1");
    }
    if (config.init_from && config.policy.max_tokens > model.n_ctx) {  // else n_ctx is not known yet
      problems.add("/policy/max_tokens", "{} is more than n_ctx {} holds, with a prompt before it; lower it",
                   config.policy.max_tokens, model.n_ctx);
    }
    if (!config.policy.gold.empty() && (!config.data.has_validation() || train.eval_every == 0)) {
      problems.add("/policy/gold",
                   "is measured on held-out prompts; set train.eval_every, and data.validation or "
                   "data.validation_fraction");
    }
    if (model.dropout > 0) problems.add("/model/dropout", "{}", why);
    if (model.lora.dropout > 0) problems.add("/lora/dropout", "{}", why);
    if (train.batch_size.all || train.gradient_accumulation != 1) {
      problems.add(train.batch_size.all ? "/train/batch_size" : "/train/gradient_accumulation",
                   "section policy says how large a step is; train.batch_size counts the windows of n_ctx tokens that "
                   "run at a time");
    }
  }
  if (config.distributed.is_local()) check_local_steps(config, problems);
  if (model.lora.is_on() && model.lora.targets.empty()) {
    problems.add("/lora/targets", "is empty; \"linear\" names all linear layers of the blocks");
  }
  if (problems.has("/model") || problems.has("/train/batch_size")) return;
  const Index batch_size = train.batch_size.all ? 1 : train.batch_size.count;  // at least
  const double positions = static_cast<double>(batch_size) * static_cast<double>(model.n_ctx);
  if (positions * static_cast<double>(train.gradient_accumulation) > kMostElements) {
    problems.add("/train/gradient_accumulation", "{} times {} of n_ctx = {} are more tokens than can be counted",
                 train.gradient_accumulation, counted(batch_size, "window"), model.n_ctx);
  }
  const double windows = static_cast<double>(batch_size) * static_cast<double>(train.gradient_accumulation);
  if (train.steps && static_cast<double>(*train.steps) * windows * static_cast<double>(model.n_ctx) > kMostTokens) {
    problems.add("/train/steps", "{} of {} of n_ctx = {} are more tokens than can be counted",
                 counted(*train.steps, "step"), counted_about(windows, "window"), model.n_ctx);
  }
  const Index widest = std::max({model.d_model, model.mlp_size(), config.tokenizer.vocab_size});
  if (positions * static_cast<double>(widest) > kMostElements) {
    problems.add("/train/batch_size", "{} of n_ctx = {} by {} are more than can be counted; lower one of them",
                 counted(batch_size, "window"), model.n_ctx, counted(widest, "value"));
  }
}

/// Adds the chat template's tokens to a vocabulary that will be made.
void reserve_chat_tokens(Config& config) {
  const std::optional<ChatTemplateKind> kind = config.chat.kind();
  if (!kind || config.tokenizer.path || config.tokenizer.type == TokenizerKind::none) return;
  std::vector<std::string>& special = config.tokenizer.special_tokens;
  for (const std::string& token : chat_special_tokens(*kind)) {
    if (std::ranges::find(special, token) == special.end()) special.push_back(token);
  }
}

/// Reads, checks and completes a config; `problems` may already contain some.
Config finish(const Json& json, Problems& problems, std::string_view source, Purpose purpose, ExitCode code) {
  Config config;
  from_json(json, config, problems);
  if (!json.is_object()) problems.throw_if_any(source, code);  // further problems would only be noise
  reserve_chat_tokens(config);
  config.tokenizer.validate(problems, "/tokenizer");
  if (purpose == Purpose::train) config.data.validate(problems, "/data");
  config.objective.validate(problems, "/objective");
  config.policy.validate(config.objective.type, problems, "/policy");
  config.model.validate(problems, "/model");
  config.optimizer.validate(problems, "/optimizer");
  config.train.validate(problems, "/train");
  config.distributed.validate(problems, "/distributed");
  check_together(config, problems);
  problems.throw_if_any(source, code);
  config.model.resolve();
  config.policy.resolve(config.objective.type);
  const bool has_values = is_of_policy(config.objective.type) && config.policy.baseline == Baseline::value;
  config.model.head = config.objective.type == ObjectiveKind::reward ? HeadKind::score
                      : has_values                                   ? HeadKind::next_token_and_value
                                                                     : HeadKind::next_token;
  config.train.resolve();
  return config;
}

/// Keeps eval_tokens of a resumed run unless the file sets it, so that its losses stay comparable: runs older than the
/// default "auto" keep "all".
void keep_eval_tokens(Json& document, const std::filesystem::path& resumed) {
  const Json::json_pointer key("/train/eval_tokens");
  if (!document.is_object() || document.contains(key)) return;
  if (document.contains("train") && !document["train"].is_object()) return;  // finish() reports it
  const Json run = parse_json(read_file(resumed), resumed.string());
  if (run.contains(key)) document[key] = run[key];
}

/// Returns the members of an object that differ from their defaults, recursively.
Json without_defaults(const Json& values, const Json& defaults) {
  Json kept = Json::object();
  for (const auto& [key, value] : values.items()) {
    if (value == defaults[key]) continue;
    kept[key] = value.is_object() ? without_defaults(value, defaults[key]) : value;
  }
  return kept;
}

void collect(const Json& before, const Json& after, const std::string& pointer, std::vector<Difference>& differences) {
  if (before == after) return;
  if (!before.is_object()) {
    auto text = [](const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); };
    differences.push_back({pointer, text(before), text(after)});
    return;
  }
  for (const auto& [key, value] : before.items()) collect(value, after[key], child_pointer(pointer, key), differences);
}

/// Returns the run if `path` is a run directory or its config.json.
std::optional<std::filesystem::path> run_of(const std::filesystem::path& path) {
  const bool is_config = path.filename() == RunPaths{}.config() && !is_folder(path);
  const std::filesystem::path folder = !is_config ? path : path.has_parent_path() ? path.parent_path() : ".";
  return is_folder(folder) && is_run_directory(folder) ? std::optional(folder) : std::nullopt;
}

std::string read_text(const std::filesystem::path& path, bool is_runs) {
  check(
      path_exists(path) || !is_runs,
      "{}: is missing, because the run is an imported model; train it further with a config that names it as init_from",
      path.string());
  check(path_exists(path), "{}: there is no such config file; kiln new --data FILES writes one for a text",
        path.string());
  check(!is_folder(path), "{}: is a folder; name a config file or a run directory", path.string());
  return read_file(path);
}

/// For a run resumed with another file, returns the run's own config with that file's changes since the run's last
/// start.
Json with_changes(const Json& file, const std::filesystem::path& path, const std::filesystem::path& resumed) {
  const std::filesystem::path given = RunPaths{resumed.parent_path()}.given();
  std::error_code ignored;
  if (!path_exists(given) || std::filesystem::equivalent(path, resumed, ignored)) return file;
  Json document = parse_json(read_file(resumed), resumed.string());
  apply_changes(parse_json(read_file(given), given.string()), file, document);
  return document;
}

/// Returns "/train/steps" for "train.steps=20".
std::string pointer_of(std::string_view assignment) {
  std::string pointer = fmt::format("/{}", assignment.substr(0, assignment.find('=')));
  std::ranges::replace(pointer, '.', '/');
  return pointer;
}

}  // namespace

ConfigFile::ConfigFile(std::filesystem::path path, std::span<const std::string> overrides)
    : run_(run_of(path)),
      path_(run_ ? RunPaths{*run_}.config() : std::move(path)),
      overrides_(overrides.begin(), overrides.end()),
      text_(read_text(path_, run_.has_value())) {}

ConfigFile ConfigFile::of(const Json& document, const std::string& source, std::span<const std::string> overrides) {
  ConfigFile file;
  file.path_ = source;
  file.overrides_.assign(overrides.begin(), overrides.end());
  file.text_ = format_json(document);
  return file;
}

/// Returns the file's JSON with the overrides applied; finish() reports it if it is not an object.
Json ConfigFile::document(Problems& problems, const std::optional<std::filesystem::path>& resumed) const {
  Json document = parse_json(text_, path_.string(), problems);
  if (!document.is_object()) return document;
  if (resumed) document = with_changes(document, path_, *resumed);
  for (const std::string& assignment : overrides_) apply_override(document, assignment, problems);
  return document;
}

std::vector<Difference> ConfigFile::kept_by_run(const std::filesystem::path& resumed) const {
  Problems ignored;
  const Json file = parse_json(text_, path_.string(), ignored);
  std::vector<Difference> kept = differing_keys(file, document(ignored, resumed));
  for (const std::string& assignment : overrides_)
    std::erase_if(kept, [&](const Difference& d) { return d.pointer == pointer_of(assignment); });
  return kept;
}

std::string ConfigFile::name() const {
  Problems problems;
  const Json json = document(problems);
  const Json name = json.is_object() ? json.value("name", Json(Config().name)) : Json();
  return name.is_string() ? name.get<std::string>() : "";
}

Config ConfigFile::config(Purpose purpose, const std::optional<std::filesystem::path>& resumed) const {
  Problems problems;
  Json json = document(problems, resumed);
  const Config here = place(resumed);
  const Json init_from = json.is_object() ? json.value("init_from", Json()) : Json();
  if (init_from.is_string()) {
    resumed ? inherit_from_run(json, *resumed, problems)
            : inherit_model(json, here.locate(init_from.get<std::string>()), problems);
  }
  if (resumed) keep_eval_tokens(json, *resumed);
  Config config = finish(json, problems, path_.string(), purpose, ExitCode::usage);
  config.directory = here.directory;
  config.bases = here.bases;
  return config;
}

/// Returns a config without fields that has the places in which paths are searched.
Config ConfigFile::place(const std::optional<std::filesystem::path>& resumed) const {
  Config config;
  config.directory = path_.parent_path();
  config.bases = {"", config.directory};
  const std::optional<Config> run = run_      ? places_of_run(*run_)
                                    : resumed ? places_of_run(resumed->parent_path())
                                              : std::nullopt;
  if (!run) return config;
  if (!run_) {  // another file: its paths are relative to it, or to where the run found its files
    config.bases.insert(config.bases.end(), run->bases.begin(), run->bases.end());
  } else {
    config.directory = run->directory;
    config.bases = run->bases;
  }
  return config;
}

Config read_resolved_config(const std::filesystem::path& path) {
  const std::string source = path.string();
  return config_from_json(parse_json(read_file(path), source), source, Purpose::plan, ExitCode::bad_input);
}

Config config_from_json(const Json& json, std::string_view source, Purpose purpose, ExitCode code) {
  Problems problems;
  return finish(json, problems, source, purpose, code);
}

Json config_to_json(const Config& config) { return to_json(config); }

Json brief_config(const Config& config) { return without_defaults(to_json(config), to_json(Config())); }

Json config_schema() { return json_schema<Config>("kiln config"); }

std::string config_reference() { return markdown_reference<Config>(); }

bool Difference::binds_run() const {
  constexpr std::string_view kNone = "0.0";                                             // SGD then has no state
  if (pointer == "/distributed/local_steps") return (before == "1") != (after == "1");  // or no outer momentum
  return pointer.starts_with("/model/") || pointer.starts_with("/lora/") ||
         (pointer.starts_with("/tokenizer/") && pointer != "/tokenizer/path") ||
         pointer == "/data/attend_across_documents" || pointer == "/chat/template" ||
         pointer.starts_with("/objective/") || pointer.starts_with("/policy/") ||  // the model has learned under it
         pointer == "/train/freeze" || pointer == "/optimizer/type" ||  // the checkpoints contain its moments
         (pointer == "/optimizer/momentum" && (before == kNone) != (after == kNone));
}

std::string to_string(const Difference& difference) {
  return fmt::format("{}: {} -> {}", difference.pointer, difference.before, difference.after);
}

std::vector<Difference> diff(const Config& before, const Config& after) {
  std::vector<Difference> differences;
  collect(to_json(before), to_json(after), "", differences);
  return differences;
}

}  // namespace kiln
