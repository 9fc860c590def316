// The config.json and generation_config.json of a Hugging Face model folder.
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

/// config.json of GPT2LMHeadModel, LlamaForCausalLM, or, for what transformers does not know, model_type "kiln"; `type`
/// is that of the weights: F32, F16 or BF16.
Json huggingface_config(const ModelConfig& model, Index vocab_size, const SpecialIds& ids,
                        DataType type = DataType::f32);

Json huggingface_generation_config(const SpecialIds& ids);

struct ModelDescription {
  ModelConfig model;  // resolved
  Index vocab_size = 0;
  NamedTokens named;
};

/// Reads a folder's config.json of model_type gpt2, llama or kiln. Throws Error (bad_input) with everything that is
/// missing, mistyped or beyond what kiln computes, one a line: "F/config.json: /rope_scaling: ...".
ModelDescription read_huggingface_config(const std::filesystem::path& folder);

/// Reads what a folder says of the tokens that begin and end texts: ids in config.json (of any model_type) and
/// generation_config.json, names in tokenizer_config.json, else in special_tokens_map.json. A file that is missing says
/// nothing. Throws Error (bad_input) where one is no JSON object.
NamedTokens read_named_tokens(const std::filesystem::path& folder, Index vocab_size);

/// Reads the names alone, as they lie beside a tokenizer.
NamedTokens read_token_names(const std::filesystem::path& folder);

}  // namespace kiln
