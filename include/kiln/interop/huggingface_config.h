// Writes and reads config.json and generation_config.json of a Hugging Face model folder.
#pragma once

#include "kiln/core/json.h"
#include "kiln/nn/model_config.h"
#include "kiln/tensor/safetensors_header.h"
#include "kiln/text/special_ids.h"

#include <filesystem>
#include <optional>

namespace kiln {

inline constexpr const char* kModelConfigFile = "config.json";
inline constexpr const char* kGenerationConfigFile = "generation_config.json";
inline constexpr const char* kRewardScaleKey = "kiln_rewards";  // in config.json; transformers ignores it

/// Returns the config.json of GPT2LMHeadModel or LlamaForCausalLM, of a reward model that of
/// GPT2ForSequenceClassification or LlamaForSequenceClassification; for models that transformers does not have, of
/// model_type "kiln". `type` is the weights' type: F32, F16 or BF16.
Json huggingface_config(const ModelConfig& model, Index vocab_size, const SpecialIds& ids,
                        DataType type = DataType::f32);

Json huggingface_generation_config(const SpecialIds& ids);

/// The scores of a reward model on held-out answers: kiln score subtracts the mean and divides by the deviation.
struct RewardScale {
  double mean = 0, deviation = 1;
  bool operator==(const RewardScale&) const = default;
};

Json to_json(const RewardScale& scale);

/// Returns what to_json wrote; 0 and 1 for any other value.
RewardScale reward_scale_from(const Json& json);

struct ModelDescription {
  ModelConfig model;  // resolved
  Index vocab_size = 0;
  NamedTokens named;
  RewardScale rewards = {};  // from kRewardScaleKey
};

/// Reads a folder's config.json of model_type gpt2, llama or kiln; `architectures` says whether it is a reward model,
/// which must have one label. Throws Error (bad_input) that lists everything
/// missing, mistyped or unsupported, one per line: "F/config.json: /rope_scaling: ...".
ModelDescription read_huggingface_config(const std::filesystem::path& folder);

/// Reads only the head that config.json names; nullopt without that file. Throws Error (bad_input) if it is not a JSON
/// object.
std::optional<HeadKind> read_head(const std::filesystem::path& folder);

/// Reads the tokens that begin and end texts: ids from config.json (of any model_type) and generation_config.json,
/// names from tokenizer_config.json or else special_tokens_map.json. Missing files are allowed. Throws Error
/// (bad_input) if a file is not a JSON object.
NamedTokens read_named_tokens(const std::filesystem::path& folder, Index vocab_size);

/// Warns of each bos_token_id and eos_token_id of these two files that is not one of the tokenizer's `tokens` ids, and
/// that read_named_tokens or special_ids therefore ignores. Throws as read_named_tokens does.
void warn_of_unknown_ids(const std::filesystem::path& folder, Index tokens);

/// Reads only the names, from the files beside a tokenizer.
NamedTokens read_token_names(const std::filesystem::path& folder);

}  // namespace kiln
