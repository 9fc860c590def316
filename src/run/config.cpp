// Reading a config: file, overrides, fields, checks, defaults, in this order.
#include "kiln/run/config.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/utf8.h"
#include "kiln/run/init_from.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <glob.h>
#include <sstream>

namespace kiln {
namespace {

constexpr double kMostTokens = 1e18;    // of a run
constexpr double kMostElements = 1e15;  // of one buffer: keeps its bytes well inside 64 bits

/// The value of an override: JSON, or else the text itself.
Json value_of(std::string_view text) {
  try {
    return parse_json(text, "", ExitCode::usage);
  } catch (const Error&) {
    return std::string(text);
  }
}

/// A run has one length: an override that gives one takes the place of those in the file.
void displace_other_lengths(Json& document, const std::string& pointer) {
  constexpr std::array kLengths{"/train/steps", "/train/epochs", "/train/time_budget"};
  if (std::ranges::find(kLengths, pointer) == kLengths.end()) return;
  for (const char* length : kLengths) {
    const Json::json_pointer other(length);
    if (pointer != length && document.contains(other)) document[other] = nullptr;
  }
}

/// Puts "key.path=value" into an object, and lets problems there be reported as of the override.
void apply_override(Json& document, std::string_view assignment, Problems& problems) {
  const std::string source = fmt::format("--set {}", utf8_replace_invalid(assignment));
  check(utf8_valid_until(assignment, 0) == assignment.size(), "{}: is not UTF-8, as a config is", source);
  const std::size_t equals = assignment.find('=');
  const bool has_path = equals != std::string_view::npos && equals > 0 && assignment[equals - 1] != '.';
  check(has_path, "{}: key.path=value is expected, as in model.n_layers=6", source);
  Json* node = &document;
  std::string pointer;
  bool attributed = false;
  std::istringstream path{std::string(assignment.substr(0, equals))};
  for (std::string key; std::getline(path, key, '.');) {
    if (!node->is_object()) {  // from here on all is the override's
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

/// What no floor can check alone.
void check_together(const Config& config, Problems& problems) {
  const TrainConfig& train = config.train;
  const ModelConfig& model = config.model;
  if (config.name.empty()) problems.add("/name", "is empty; it names the folder of the run");
  if (config.name == "." || config.name == ".." || config.name.find('/') != std::string::npos) {
    problems.add("/name", "\"{}\" cannot name a folder in runs/; --run takes any path", config.name);
  }
  for (const auto& [is_set, pointer] : {std::pair(train.early_stopping.has_value(), "/train/early_stopping"),
                                        std::pair(train.sample_at_evaluations, "/train/sample_at_evaluations")}) {
    if (!is_set || config.data.has_validation()) continue;
    problems.add(pointer, "needs held-out text; set data.validation or data.validation_fraction");
  }
  if (problems.has("/model") || problems.has("/train/batch_size")) return;
  const Index batch_size = train.batch_size.all ? 1 : train.batch_size.count;  // or more
  const double positions = static_cast<double>(batch_size) * static_cast<double>(model.n_ctx);
  if (positions * static_cast<double>(train.gradient_accumulation) > kMostElements) {
    problems.add("/train/gradient_accumulation",
                 "{} times {} windows of n_ctx = {} are more tokens than can be counted", train.gradient_accumulation,
                 batch_size, model.n_ctx);
  }
  const double windows = static_cast<double>(batch_size) * static_cast<double>(train.gradient_accumulation);
  if (train.steps && static_cast<double>(*train.steps) * windows * static_cast<double>(model.n_ctx) > kMostTokens) {
    problems.add("/train/steps", "{} steps of {} windows of n_ctx = {} are more tokens than can be counted",
                 *train.steps, windows, model.n_ctx);
  }
  const Index widest = std::max({model.d_model, model.mlp_size(), config.tokenizer.vocab_size});
  if (positions * static_cast<double>(widest) > kMostElements) {
    problems.add("/train/batch_size",
                 "{} windows of n_ctx = {} by {} values are more than can be counted; lower one of them", batch_size,
                 model.n_ctx, widest);
  }
}

/// Reads, checks and completes; `problems` may hold some already.
Config finish(const Json& json, Problems& problems, std::string_view source, Purpose purpose, ExitCode code) {
  Config config;
  from_json(json, config, problems);
  if (!json.is_object()) problems.throw_if_any(source, code);  // the rest would only be noise
  config.tokenizer.validate(problems, "/tokenizer");
  if (purpose == Purpose::train) config.data.validate(problems, "/data");
  config.model.validate(problems, "/model");
  config.optimizer.validate(problems, "/optimizer");
  config.train.validate(problems, "/train");
  check_together(config, problems);
  problems.throw_if_any(source, code);
  config.model.resolve();
  config.train.resolve();
  return config;
}

/// The evaluations of a run that goes on score what they did before, where nothing is said of it: runs made before
/// "auto" was the default keep "all", so that their losses can be compared.
void keep_eval_tokens(Json& document, const std::filesystem::path& resumed) {
  const Json::json_pointer key("/train/eval_tokens");
  if (!document.is_object() || document.contains(key)) return;
  if (document.contains("train") && !document["train"].is_object()) return;  // finish() says what is wrong
  const Json run = parse_json(read_file(resumed), resumed.string());
  if (run.contains(key)) document[key] = run[key];
}

bool something_is_at(const std::string& pattern) {
  std::error_code ignored;
  if (std::filesystem::exists(pattern, ignored)) return true;
  glob_t found{};
  const bool any = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0;
  ::globfree(&found);
  return any;
}

/// The members of an object that differ, of those that are objects their own.
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

std::string read_text(const std::filesystem::path& path) {
  check(path_exists(path), "{}: there is no such config file", path.string());
  check(!is_folder(path), "{}: is a folder; name a config, such as the config.json of a run", path.string());
  return read_file(path);
}

/// The file's JSON with the overrides in it; what is no object is left to finish().
Json parse_document(std::string_view text, const std::filesystem::path& path, std::span<const std::string> overrides,
                    Problems& problems) {
  Json document = parse_json(text, path.string(), problems);
  if (!document.is_object()) return document;
  for (const std::string& assignment : overrides) apply_override(document, assignment, problems);
  return document;
}

}  // namespace

std::filesystem::path Config::locate(const std::string& path) const {
  if (something_is_at(path)) return path;
  const std::filesystem::path beside = directory / path;
  return something_is_at(beside) ? beside : std::filesystem::path(path);
}

TokenizerConfig Config::located_tokenizer() const {
  TokenizerConfig located = tokenizer;
  if (located.path) located.path = locate(*located.path).string();
  return located;
}

ConfigFile::ConfigFile(std::filesystem::path path, std::span<const std::string> overrides)
    : path_(std::move(path)), overrides_(overrides.begin(), overrides.end()), text_(read_text(path_)) {}

std::string ConfigFile::name() const {
  Problems problems;
  const Json document = parse_document(text_, path_, overrides_, problems);
  const Json name = document.is_object() ? document.value("name", Json(Config().name)) : Json();
  return name.is_string() ? name.get<std::string>() : "";
}

Config ConfigFile::config(Purpose purpose, const std::optional<std::filesystem::path>& resumed) const {
  Problems problems;
  Json document = parse_document(text_, path_, overrides_, problems);
  const Json init_from = document.is_object() ? document.value("init_from", Json()) : Json();
  if (init_from.is_string()) {
    Config here;
    here.directory = path_.parent_path();
    resumed ? inherit_from_run(document, *resumed, problems)
            : inherit_model(document, here.locate(init_from.get<std::string>()), problems);
  }
  if (resumed) keep_eval_tokens(document, *resumed);
  Config config = finish(document, problems, path_.string(), purpose, ExitCode::usage);
  config.directory = path_.parent_path();
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
  constexpr std::string_view kNone = "0.0";  // SGD then has no state
  return pointer.starts_with("/model/") || (pointer.starts_with("/tokenizer/") && pointer != "/tokenizer/path") ||
         pointer == "/optimizer/type" ||  // whose moments the checkpoints hold
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
