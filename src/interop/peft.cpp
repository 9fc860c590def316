// Names adapters by the modules of the family's table of tensors.
#include "kiln/interop/peft.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/interop/tensor_table.h"
#include "kiln/nn/language_model.h"
#include "kiln/tensor/safetensors.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPickledFile = "adapter_model.bin";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kNewTokens = "token_adapter.trainable_tokens_delta";  // they hold rows, not differences
constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kScoringTask = "SEQ_CLS";                 // task_type of a reward model's adapters
constexpr std::string_view kScore = "score", kOther = "classifier";  // modules that PEFT saves for this task

/// Returns the module of a tensor as transformers' model names it: that for causal language modelling, or that for
/// sequence classification.
std::string module_of(Family family, const std::string& tensor) {
  const std::string module = tensor.substr(0, tensor.size() - kWeight.size());
  const bool is_head = module == "lm_head" || module == kScore;
  const bool lacks_prefix = family == Family::gpt2 && !module.starts_with("transformer.") && !is_head;
  return lacks_prefix ? "transformer." + module : module;
}

/// The tensors of a module that adapters have.
struct ModulePlaces {
  std::string module;
  std::vector<TensorPlace> tensors;
};

TensorPlace place(const std::string& module, std::string_view tensor, const Parameter& p, Index begin, Index count,
                  bool transposed) {
  std::vector<Index> shape = transposed ? std::vector{count, p.rows} : std::vector{p.rows, count};
  return {.name = fmt::format("{}{}.{}", kPrefix, module, tensor),
          .key = p.key,
          .parameter = p.id,
          .begin = begin,
          .count = count,
          .transposed = transposed,
          .shape = std::move(shape)};
}

/// Returns the adapters' tensors by module: an A and a B of each part of a weight that the family's files hold apart,
/// new tokens, and a reward model's head.
std::vector<ModulePlaces> adapter_table(const ModelConfig& model, const ParameterLayout& layout) {
  const Family family = family_of(model);
  const LanguageModel<float> whole(model, model.lora.new_tokens + 1);  // `layout` may have the adapters alone
  std::vector<ModulePlaces> table;
  for (const TensorPlace& weight : tensor_table(model, whole.layout)) {
    if (!weight.parameter || weight.key.tensor != TensorKind::weight) continue;
    const auto find = [&](TensorKind kind) { return layout.find({weight.key.module, weight.key.layer, kind}); };
    ModulePlaces places{module_of(family, weight.name), {}};
    if (const ParameterId a = find(TensorKind::lora_a)) {
      const Index rank = model.lora.rank, first = rank * std::max(0, weight.group);
      places.tensors.push_back(place(places.module, "lora_A.weight", layout[a], first, rank, true));
      const Parameter& b = layout[find(TensorKind::lora_b)];
      places.tensors.push_back(place(places.module, "lora_B.weight", b, weight.begin, weight.count, true));
    }
    if (const ParameterId rows = find(TensorKind::new_rows)) {
      const Parameter& p = layout[rows];
      places.tensors.push_back(place(places.module, kNewTokens, p, 0, p.cols, false));
    }
    if (weight.key.module == Module::score) {
      const Parameter& p = layout[find(TensorKind::weight)];
      places.tensors.push_back(place(places.module, "weight", p, 0, p.cols, false));
    }
    if (!places.tensors.empty()) table.push_back(std::move(places));
  }
  return table;
}

std::string last_part(std::string_view module, int parts) {
  std::size_t begin = module.size();
  for (; parts > 0 && begin != std::string_view::npos; --parts) {
    begin = begin == 0 ? std::string_view::npos : module.rfind('.', begin - 1);
  }
  return std::string(begin == std::string_view::npos ? module : module.substr(begin + 1));
}

/// Returns names for target_modules: the modules' last two parts, which match every layer, or full names where some
/// layers are not adapted.
std::vector<std::string> target_modules(const std::vector<ModulePlaces>& table, Index layers) {
  std::map<std::string, std::vector<std::string>> by_end;
  for (const ModulePlaces& places : table) {
    if (places.tensors.front().key.tensor == TensorKind::lora_a)
      by_end[last_part(places.module, 2)].push_back(places.module);
  }
  std::vector<std::string> targets;
  for (const auto& [end, modules] : by_end) {
    if (std::ssize(modules) == layers) {
      targets.push_back(end);
    } else {
      targets.insert(targets.end(), modules.begin(), modules.end());
    }
  }
  return targets;
}

/// Returns the ids of new tokens under the modules that hold their rows; null without any.
Json new_token_ids(const std::vector<ModulePlaces>& table, Index vocab_size, Index count) {
  if (count == 0) return nullptr;
  Json ids = Json::array();
  for (Index id = vocab_size - count; id < vocab_size; ++id) ids.push_back(id);
  Json by_module = Json::object();
  for (const ModulePlaces& places : table) {
    if (places.tensors.front().key.tensor == TensorKind::new_rows) by_module[last_part(places.module, 1)] = ids;
  }
  return by_module;
}

/// Reads a JSON object's values and throws Error (bad_input) for what kiln cannot represent.
class ConfigReader {
 public:
  explicit ConfigReader(const fs::path& path) : path_(path), json_(parse_json(read_file(path), path.string())) {
    check_input(json_.is_object(), "{}: a JSON object is expected", path.string());
  }

  template <class T>
  T get(const char* key, T otherwise) const {
    const auto found = json_.find(key);
    if (found == json_.end() || found->is_null()) return otherwise;
    try {
      return found->template get<T>();
    } catch (const nlohmann::json::exception&) {
      fail(ExitCode::bad_input, "{}: /{}: {} is of another type than PEFT writes", path_.string(), key,
           brief_json(*found));
    }
  }

  /// Refuses a value other than null, false, empty or `none`.
  void refuse(const char* key, const Json& none = nullptr) const {
    const Json value = json_.value(key, Json());
    const bool is_off =
        value.is_null() || value == false || value == none || ((value.is_structured()) && value.empty());
    check_input(is_off, "{}: /{}: {}; kiln reads adapters without it", path_.string(), key, brief_json(value));
  }

  const Json& json() const { return json_; }

 private:
  const fs::path& path_;
  Json json_;
};

/// Returns the head: a reward model's adapters name their task or save the head, and save no other modules than PEFT
/// does for this task.
HeadKind head_in(const ConfigReader& config, const fs::path& path) {
  const auto saved = config.get<std::vector<std::string>>("modules_to_save", {});
  const bool is_known = std::ranges::all_of(saved, [](const auto& name) { return name == kScore || name == kOther; });
  check_input(is_known, "{}: /modules_to_save: {}; kiln reads adapters without it, or with a reward model's \"{}\"",
              path.string(), brief_json(Json(saved)), kScore);
  const bool scores =
      config.get<std::string>("task_type", "") == kScoringTask || std::ranges::find(saved, kScore) != saved.end();
  return scores ? HeadKind::score : HeadKind::next_token;
}

/// Reads trainable_token_indices: tokens in order at the end of the vocabulary.
void read_new_tokens(const ConfigReader& config, const fs::path& path, AdapterDescription& read) {
  const Json ids = config.json().value("trainable_token_indices", Json());
  if (ids.is_null()) return;
  const Json first = ids.is_object() && !ids.empty() ? *ids.begin() : ids;
  constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();
  bool follow = first.is_array() && !first.empty() && first[0].is_number_integer() && first[0] >= 0 && first[0] < kMost;
  for (std::size_t i = 0; follow && i < first.size(); ++i) {
    follow = first[i].is_number_integer() && first[i] == first[0].get<Index>() + static_cast<Index>(i);
  }
  const auto is_same = [&](const Json& other) { return other == first; };
  if (ids.is_object()) follow = follow && std::all_of(ids.begin(), ids.end(), is_same);
  check_input(follow,
              "{}: /trainable_token_indices: {}; kiln reads rows of new tokens, in order at the end of the vocabulary",
              path.string(), brief_json(ids));
  read.lora.new_tokens = std::ssize(first);
  read.vocab_size = first[0].get<Index>() + std::ssize(first);
}

/// Returns true for what PEFT saves once more beside new tokens: the embeddings that they were added to, and the new
/// rows of a tied unembedding.
bool is_copy(std::string_view tensor, const ModelConfig& model) {
  if (model.lora.new_tokens == 0) return false;
  return tensor.ends_with(".token_adapter.base_layer.weight") ||
         (model.tie_embeddings && tensor.ends_with(".lm_head.token_adapter.trainable_tokens_delta"));
}

}  // namespace

bool is_adapter_folder(const fs::path& folder) { return path_exists(folder / kAdapterConfigFile); }

AdapterDescription read_adapter_description(const fs::path& folder) {
  const fs::path path = path_within(folder, kAdapterConfigFile);
  const ConfigReader config(path);
  const auto type = config.get<std::string>("peft_type", "");
  check_input(type == "LORA", "{}: /peft_type: \"{}\"; kiln reads adapters of type LORA", path.string(), type);
  for (const char* key : {"use_dora", "rank_pattern", "alpha_pattern", "lora_bias", "target_parameters", "use_qalora",
                          "layer_replication", "megatron_config", "alora_invocation_tokens"}) {
    config.refuse(key);
  }
  config.refuse("bias", "none");
  if (config.json().value("init_lora_weights", Json()) != true) {
    const Json init = config.json().value("init_lora_weights", Json());
    const bool keeps_base =
        init.is_null() || init == false || init == "gaussian" || init == "eva" || init == "orthogonal";
    check_input(keeps_base,
                "{}: /init_lora_weights: {} changes the base model; kiln reads adapters of the base as it is",
                path.string(), brief_json(init));
  }
  if (!path_exists(folder / kAdapterWeightsFile)) {
    check_input(!path_exists(folder / kPickledFile),
                "{}: is pickled, and reading it could run any program; save the adapters as {}, as PEFT does by "
                "default (safe_serialization)",
                (folder / kPickledFile).string(), kAdapterWeightsFile);
    fail(ExitCode::bad_input, "{}: there is no {}", folder.string(), kAdapterWeightsFile);
  }
  AdapterDescription read;
  read.lora.rank = config.get<Index>("r", 8);
  read.lora.alpha = config.get<double>("lora_alpha", 8);
  read.lora.dropout = config.get<double>("lora_dropout", 0);
  read.lora.rslora = config.get<bool>("use_rslora", false);
  read_new_tokens(config, path, read);
  read.head = head_in(config, path);
  check_input(read.lora.rank >= 1 && read.lora.rank <= LoraConfig::kMostRank,
              "{}: /r: {}; a rank of 1 to {} is expected", path.string(), read.lora.rank, LoraConfig::kMostRank);
  read.base = config.get<std::string>("base_model_name_or_path", "");
  return read;
}

FileDigests write_adapters(const fs::path& folder, const ModelConfig& model, Index vocab_size, const std::string& base,
                           const ParameterBuffer<float>& weights) {
  const LoraConfig& lora = model.lora;
  const bool scores = model.head == HeadKind::score;
  const std::vector<ModulePlaces> table = adapter_table(model, weights.layout());
  const Json config{{"peft_type", "LORA"},
                    {"task_type", scores ? kScoringTask : "CAUSAL_LM"},
                    {"base_model_name_or_path", base.empty() ? Json() : Json(base)},
                    {"r", lora.rank},
                    {"lora_alpha", lora.alpha},
                    {"lora_dropout", lora.dropout},
                    {"use_rslora", lora.rslora},
                    {"target_modules", target_modules(table, model.n_layers)},
                    {"fan_in_fan_out", family_of(model) == Family::gpt2},
                    {"bias", "none"},
                    {"modules_to_save", scores ? Json::array({kScore}) : Json()},
                    {"trainable_token_indices", new_token_ids(table, vocab_size, lora.new_tokens)},
                    {"inference_mode", true}};
  std::vector<TensorPlace> places;
  for (const ModulePlaces& module : table) places.insert(places.end(), module.tensors.begin(), module.tensors.end());
  TensorSources sources(places, weights, DataType::f32);
  FileDigests digests;
  digests[std::string(kAdapterConfigFile)] = write_file_synced(folder / kAdapterConfigFile, format_json(config));
  digests[std::string(kAdapterWeightsFile)] = write_safetensors(folder / kAdapterWeightsFile, sources.list());
  return digests;
}

void read_adapters(const fs::path& folder, const ModelConfig& model, ParameterBuffer<float>& weights) {
  const SafetensorsFile file(path_within(folder, kAdapterWeightsFile));
  const std::vector<ModulePlaces> table = adapter_table(model, weights.layout());
  std::vector<std::string> problems;
  std::set<std::string_view> used;
  for (const ModulePlaces& module : table) {
    const auto is_there = [&](const TensorPlace& place) { return file.find(place.name) != nullptr; };
    const TensorKind kind = module.tensors.front().key.tensor;  // a weight: the score head's
    const bool is_needed = kind == TensorKind::new_rows || kind == TensorKind::weight;
    if (!is_needed && std::ranges::none_of(module.tensors, is_there)) continue;
    for (const TensorPlace& place : module.tensors) {
      const TensorInfo* tensor = file.find(place.name);
      used.insert(place.name);
      if (tensor == nullptr) {
        problems.push_back(fmt::format("'{}' {} is missing", place.name, shape_text(place.shape)));
      } else if (tensor->shape != place.shape) {
        problems.push_back(fmt::format("'{}' has shape {}, the model wants {}", place.name, shape_text(tensor->shape),
                                       shape_text(place.shape)));
      }
    }
  }
  for (const TensorInfo& tensor : file.tensors()) {
    if (!used.contains(tensor.name) && !is_copy(tensor.name, model)) {
      problems.push_back(fmt::format("'{}' {} is not of this model", tensor.name, shape_text(tensor.shape)));
    }
  }
  if (!problems.empty()) {
    problems.insert(problems.begin(),
                    fmt::format("{}: these are not the adapters of the model:", file.path().string()));
    fail_lines(ExitCode::bad_input, problems);
  }
  for (const ModulePlaces& module : table) {
    for (const TensorPlace& place : module.tensors) {
      Mat<float> to = columns(weights.mat(place.parameter), place.begin, place.count);
      if (const TensorInfo* tensor = file.find(place.name)) {
        file.read<float>(*tensor, to, place.transposed);
      } else {
        to.setZero();
      }
    }
  }
}

}  // namespace kiln
