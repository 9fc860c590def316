// Translates sizes and flags between kiln's names and those of transformers.
#include "kiln/interop/huggingface_config.h"

#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/interop/tensor_table.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>
#include <utility>

namespace kiln {
namespace {

constexpr std::string_view kTransformersVersion = "4.40.2";
constexpr std::int64_t kLargestVocabulary = std::numeric_limits<std::int32_t>::max();
constexpr std::string_view kScoring = "ForSequenceClassification";  // ends the architecture of a reward model

Json to_id(const std::optional<TokenId>& id) { return id ? Json(*id) : Json(nullptr); }

/// Returns one id as a number, several as an array.
Json to_ids(const std::vector<TokenId>& ids) {
  if (ids.empty()) return nullptr;
  return ids.size() == 1 ? Json(ids.front()) : Json(ids);
}

std::string_view torch_name(DataType type) {
  return type == DataType::f16 ? "float16" : type == DataType::bf16 ? "bfloat16" : "float32";
}

/// Returns the class of a family's models with this head, in an array.
Json architectures(Family family, HeadKind head) {
  constexpr std::array<std::string_view, 3> kNames{"GPT2", "Llama", "Kiln"};  // by Family
  const std::string name(kNames[static_cast<std::size_t>(family)]);
  if (head == HeadKind::score) return Json::array({name + std::string(kScoring)});
  return Json::array({family == Family::gpt2 ? "GPT2LMHeadModel" : name + "ForCausalLM"});
}

Json gpt2_config(const ModelConfig& m, Index vocab_size) {
  return {{"architectures", architectures(Family::gpt2, m.head)},
          {"model_type", "gpt2"},
          {"vocab_size", vocab_size},
          {"n_positions", m.n_ctx},
          {"n_ctx", m.n_ctx},
          {"n_embd", m.d_model},
          {"n_layer", m.n_layers},
          {"n_head", m.n_heads},
          {"n_inner", m.mlp_size()},
          {"activation_function", name_of(m.activation)},
          {"resid_pdrop", m.dropout},
          {"embd_pdrop", m.dropout},
          {"attn_pdrop", m.dropout},
          {"layer_norm_epsilon", m.norm_epsilon},
          {"initializer_range", m.init.std},
          {"scale_attn_weights", true},
          {"scale_attn_by_inverse_layer_idx", false},
          {"reorder_and_upcast_attn", false}};
}

Json llama_config(const ModelConfig& m, Index vocab_size) {
  return {{"architectures", architectures(Family::llama, m.head)},
          {"model_type", "llama"},
          {"vocab_size", vocab_size},
          {"max_position_embeddings", m.n_ctx},
          {"hidden_size", m.d_model},
          {"intermediate_size", m.mlp_size()},
          {"num_hidden_layers", m.n_layers},
          {"num_attention_heads", m.n_heads},
          {"num_key_value_heads", m.kv_heads()},
          {"head_dim", m.head_size()},
          {"hidden_act", "silu"},
          {"attention_bias", false},
          {"mlp_bias", false},
          {"attention_dropout", m.dropout},
          {"initializer_range", m.init.std},
          {"rms_norm_eps", m.norm_epsilon},
          {"rope_theta", m.rope_theta},
          {"rope_scaling", nullptr}};
}

/// Adds what a class for sequence classification reads: one label, and the token that pads shorter texts of a batch.
/// The class scores each text at its last token: in older versions of transformers the token before the first padding,
/// in newer ones the last token that is not padding. So no text may contain the padding token; an end token would hide
/// the text's own end. It must be a row of the embedding, too. Without one, the class refuses batches of several texts.
void add_scoring(const SpecialIds& ids, Json& json) {
  json["num_labels"] = 1;
  json["id2label"] = {{"0", "LABEL_0"}};
  json["label2id"] = {{"LABEL_0", 0}};
  json["pad_token_id"] = to_id(ids.padding);
}

/// Returns the head that `architectures` names.
HeadKind head_in(const Json& json) {
  const Json names = json.value("architectures", Json());
  const bool scores =
      names.is_array() && !names.empty() && names[0].is_string() && names[0].get<std::string>().ends_with(kScoring);
  return scores ? HeadKind::score : HeadKind::next_token;
}

/// Returns the number of labels: those in id2label, else num_labels, else 2, as in transformers.
Json labels_in(const Json& json) {
  const Json labels = json.value("id2label", Json()), count = json.value("num_labels", Json());
  if (labels.is_object()) return labels.size();
  return count.is_null() ? Json(2) : count;
}

/// Reads the keys of one config.json and collects problems.
class Keys {
 public:
  Keys(const Json& json, Problems& problems) : json_(json), problems_(problems) {}

  const Json& operator[](const std::string& key) const { return json_[key]; }  // the key must exist
  bool has(const std::string& key) const { return json_.contains(key) && !json_[key].is_null(); }

  /// Reads a count from 1 to `largest`; without a default the key is required.
  Index size(const std::string& key, std::optional<Index> otherwise = {},
             Index largest = std::numeric_limits<Index>::max()) {
    if (!has(key)) {
      if (!otherwise) problems_.add("/" + key, "is missing; a count is expected");
      return otherwise.value_or(1);
    }
    const Json& value = json_[key];
    const bool sound = value.is_number_integer() && value > 0 && value <= largest;
    if (!sound) problems_.add("/" + key, "{}: a count from 1 to {} is expected", brief_json(value), largest);
    return sound ? value.get<Index>() : 1;
  }

  double number(const std::string& key, double otherwise) {
    if (!has(key)) return otherwise;
    if (json_[key].is_number()) return json_[key].get<double>();
    problems_.add("/" + key, "{}: a number is expected", brief_json(json_[key]));
    return otherwise;
  }

  bool flag(const std::string& key, bool otherwise) {
    if (!has(key)) return otherwise;
    if (json_[key].is_boolean()) return json_[key].get<bool>();
    problems_.add("/" + key, "{}: true or false is expected", brief_json(json_[key]));
    return otherwise;
  }

  std::string text(const std::string& key, std::string otherwise) {
    if (!has(key)) return otherwise;
    if (json_[key].is_string()) return json_[key].get<std::string>();
    problems_.add("/" + key, "{}: a string is expected", brief_json(json_[key]));
    return otherwise;
  }

  /// Requires a key to be absent, null or the only value that kiln supports.
  void expect(const std::string& key, const Json& supported) {
    if (!has(key) || json_[key] == supported) return;
    problems_.add("/" + key, "{} is not supported; kiln computes only {}", brief_json(json_[key]),
                  brief_json(supported));
  }

  /// Maps kiln's keys to this file's, so that problems found later are reported at the latter.
  void stand_for(std::initializer_list<std::pair<const char*, const char*>> names) {
    for (const auto& [ours, theirs] : names) problems_.rename(std::string("/") + ours, std::string("/") + theirs);
  }

  Problems& problems() { return problems_; }

 private:
  const Json& json_;
  Problems& problems_;
};

Activation read_activation(Keys& keys) {
  constexpr std::pair<std::string_view, Activation> kNames[] = {
      {"relu", Activation::relu},
      {"relu2", Activation::relu2},
      {"gelu", Activation::gelu},
      {"silu", Activation::silu},
      {"gelu_new", Activation::gelu_new},
      {"swish", Activation::silu},
      {"gelu_pytorch_tanh", Activation::gelu_new},
  };
  const std::string name = keys.text("activation_function", "gelu_new");
  for (const auto& [known, activation] : kNames) {
    if (name == known) return activation;
  }
  keys.problems().add("/activation_function",
                      "\"{}\" is not supported; relu, relu2, gelu, gelu_new or silu is expected", name);
  return Activation::gelu_new;
}

ModelConfig read_gpt2(Keys& keys) {
  keys.stand_for({{"n_layers", "n_layer"},
                  {"d_model", "n_embd"},
                  {"n_heads", "n_head"},
                  {"n_ctx", keys.has("n_positions") ? "n_positions" : "n_ctx"},
                  {"d_mlp", "n_inner"},
                  {"dropout", "resid_pdrop"},
                  {"norm_epsilon", "layer_norm_epsilon"},
                  {"init/std", "initializer_range"}});
  ModelConfig m;
  m.n_layers = keys.size("n_layer");
  m.d_model = keys.size("n_embd");
  m.n_heads = keys.size("n_head");
  m.n_ctx = keys.has("n_positions") ? keys.size("n_positions") : keys.size("n_ctx");
  if (keys.has("n_inner")) m.d_mlp = keys.size("n_inner");
  m.activation = read_activation(keys);
  m.norm = NormKind::layernorm;
  m.position = PositionKind::learned;
  m.bias = true;
  m.tie_embeddings = keys.flag("tie_word_embeddings", true);
  m.dropout = keys.number("resid_pdrop", 0.1);
  m.norm_epsilon = keys.number("layer_norm_epsilon", 1e-5);
  m.init.std = keys.number("initializer_range", 0.02);
  keys.expect("scale_attn_weights", true);
  for (const char* flag : {"scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention"}) {
    keys.expect(flag, false);
  }
  return m;
}

/// Reads rope_theta, which transformers 5 moved into "rope_parameters", beside the kind of RoPE.
double read_rope_theta(Keys& keys) {
  constexpr double kDefault = 10000;
  if (!keys.has("rope_parameters")) return keys.number("rope_theta", kDefault);
  const Json& table = keys["rope_parameters"];
  const bool plain = table.is_object() && table.value("rope_type", Json("default")) == "default" &&
                     table.value("rope_theta", Json(kDefault)).is_number();
  if (plain) return table.value("rope_theta", kDefault);
  keys.problems().add("/rope_parameters", "{} is not supported; kiln computes only the default rotation", table.dump());
  return kDefault;
}

ModelConfig read_llama(Keys& keys) {
  keys.stand_for({{"n_layers", "num_hidden_layers"},
                  {"d_model", "hidden_size"},
                  {"n_heads", "num_attention_heads"},
                  {"n_kv_heads", "num_key_value_heads"},
                  {"d_head", "head_dim"},
                  {"d_mlp", "intermediate_size"},
                  {"n_ctx", "max_position_embeddings"},
                  {"dropout", "attention_dropout"},
                  {"norm_epsilon", "rms_norm_eps"},
                  {"init/std", "initializer_range"}});
  ModelConfig m;
  m.n_layers = keys.size("num_hidden_layers");
  m.d_model = keys.size("hidden_size");
  m.n_heads = keys.size("num_attention_heads");
  m.n_kv_heads = keys.size("num_key_value_heads", m.n_heads);
  if (keys.has("head_dim")) m.d_head = keys.size("head_dim");
  m.d_mlp = keys.size("intermediate_size");
  m.n_ctx = keys.size("max_position_embeddings");
  m.activation = Activation::swiglu;
  m.norm = NormKind::rmsnorm;
  m.position = PositionKind::rope;
  m.rope_theta = read_rope_theta(keys);
  m.bias = false;
  m.tie_embeddings = keys.flag("tie_word_embeddings", false);
  m.dropout = keys.number("attention_dropout", 0);
  m.norm_epsilon = keys.number("rms_norm_eps", 1e-6);
  m.init.std = keys.number("initializer_range", 0.02);
  keys.expect("hidden_act", "silu");
  for (const char* flag : {"attention_bias", "mlp_bias"}) keys.expect(flag, false);
  for (const char* table : {"rope_scaling", "quantization_config"}) keys.expect(table, nullptr);
  return m;
}

ModelConfig read_kiln(const Json& json, Problems& problems) {
  ModelConfig m;
  from_json(json.value("model", Json::object()), m, problems, "/model");
  return m;
}

/// Returns the ids that a key names as an array: one, several or none.
Json ids_of(const Json& json, const char* key) {
  const Json value = json.value(key, Json());
  return value.is_array() ? value : value.is_null() ? Json::array() : Json::array({value});
}

bool is_id(const Json& value, Index vocab_size) {
  return value.is_number_integer() && value >= 0 && value < vocab_size;
}

/// Appends the ids of a key; skips values that are not ids of the vocabulary.
void append_ids_of(const Json& json, const char* key, Index vocab_size, std::vector<TokenId>& ids) {
  for (const Json& id : ids_of(json, key)) {
    if (is_id(id, vocab_size)) ids.push_back(id.get<TokenId>());
  }
}

/// Reads a file's JSON object; returns an empty one if the file does not exist.
Json read_optional(const std::filesystem::path& folder, const char* name) {
  const std::filesystem::path path = path_within(folder, name);
  return path_exists(path) ? read_json_object(path) : Json::object();
}

}  // namespace

Json huggingface_config(const ModelConfig& model, Index vocab_size, const SpecialIds& ids, DataType type) {
  Json json;
  switch (family_of(model)) {
    case Family::gpt2:
      json = gpt2_config(model, vocab_size);
      break;
    case Family::llama:
      json = llama_config(model, vocab_size);
      break;
    case Family::kiln:
      json = {{"architectures", architectures(Family::kiln, model.head)},
              {"model_type", "kiln"},
              {"vocab_size", vocab_size},
              {"model", to_json(model)}};
  }
  json["bos_token_id"] = to_id(ids.begin);
  json["eos_token_id"] = to_ids(ids.ends);
  json["tie_word_embeddings"] = model.tie_embeddings;
  json["torch_dtype"] = torch_name(type);
  json["transformers_version"] = kTransformersVersion;
  if (model.head == HeadKind::score) add_scoring(ids, json);
  return json;
}

Json huggingface_generation_config(const SpecialIds& ids) {
  return {{"_from_model_config", true},
          {"bos_token_id", to_id(ids.begin)},
          {"eos_token_id", to_ids(ids.ends)},
          {"transformers_version", kTransformersVersion}};
}

Json to_json(const RewardScale& scale) { return {{"mean", scale.mean}, {"deviation", scale.deviation}}; }

RewardScale reward_scale_from(const Json& json) {
  if (!json.is_object()) return {};
  const Json mean = json.value("mean", Json()), deviation = json.value("deviation", Json());
  const bool is_sound = mean.is_number() && deviation.is_number() && deviation.get<double>() > 0;
  return is_sound ? RewardScale{mean.get<double>(), deviation.get<double>()} : RewardScale();
}

ModelDescription read_huggingface_config(const std::filesystem::path& folder) {
  const std::filesystem::path path = path_within(folder, kModelConfigFile);
  const Json json = read_json_object(path);
  Problems problems;
  Keys keys(json, problems);
  ModelDescription description;
  const std::string type = keys.text("model_type", "");
  if (type == "gpt2") {
    description.model = read_gpt2(keys);
  } else if (type == "llama") {
    description.model = read_llama(keys);
  } else if (type == "kiln") {
    description.model = read_kiln(json, problems);
  } else {
    problems.add("/model_type", "\"{}\" is not supported; gpt2, llama or kiln is expected", type);
  }
  description.vocab_size = keys.size("vocab_size", {}, kLargestVocabulary);
  description.model.head = head_in(json);
  if (description.model.head == HeadKind::score && labels_in(json) != 1) {
    problems.add(json.contains("id2label") ? "/id2label" : "/num_labels",
                 "the model has {} labels; kiln reads reward models, which have 1", brief_json(labels_in(json)));
  }
  if (problems.empty()) description.model.validate(problems, "");
  problems.throw_if_any(path.string(), ExitCode::bad_input);
  description.model.resolve();
  description.named = read_named_tokens(folder, description.vocab_size);
  description.rewards = reward_scale_from(json.value(kRewardScaleKey, Json()));
  return description;
}

std::optional<HeadKind> read_head(const std::filesystem::path& folder) {
  const std::filesystem::path path = path_within(folder, kModelConfigFile);
  return path_exists(path) ? std::optional(head_in(read_json_object(path))) : std::nullopt;
}

NamedTokens read_named_tokens(const std::filesystem::path& folder, Index vocab_size) {
  NamedTokens named = read_token_names(folder);
  std::vector<TokenId> begins;
  for (const char* file : {kModelConfigFile, kGenerationConfigFile}) {
    const Json json = read_optional(folder, file);
    append_ids_of(json, "bos_token_id", vocab_size, begins);
    append_ids_of(json, "eos_token_id", vocab_size, file == kModelConfigFile ? named.ends : named.further_ends);
  }
  if (!begins.empty()) named.begin = begins.front();
  return named;
}

void warn_of_unknown_ids(const std::filesystem::path& folder, Index tokens) {
  for (const char* file : {kModelConfigFile, kGenerationConfigFile}) {
    const Json json = read_optional(folder, file);
    for (const char* key : {"bos_token_id", "eos_token_id"}) {
      for (const Json& id : ids_of(json, key)) {
        if (is_id(id, tokens)) continue;
        warn("{}: /{}: {} is ignored: the vocabulary has {}, with ids 0 to {}; correct it there, or remove it",
             (folder / file).string(), key, brief_json(id), counted(tokens, "token"), tokens - 1);
      }
    }
  }
}

NamedTokens read_token_names(const std::filesystem::path& folder) {
  const Json config = read_optional(folder, "tokenizer_config.json");
  const Json map = read_optional(folder, "special_tokens_map.json");
  const auto named = [&](const char* key) {
    const std::string text = special_token_text(config.value(key, Json()));
    return text.empty() ? special_token_text(map.value(key, Json())) : text;
  };
  return {.begin_text = named("bos_token"),
          .end_text = named("eos_token"),
          .begins_documents = config.value("add_bos_token", Json()) == true};
}

}  // namespace kiln
