// The config.json and generation_config.json of a Hugging Face model folder.
#pragma once

#include "kiln/core/json.h"
#include "kiln/nn/model_config.h"
#include "kiln/tensor/safetensors_header.h"
#include "kiln/text/token.h"

#include <filesystem>
#include <optional>

namespace kiln {

inline constexpr const char* kModelConfigFile = "config.json";
inline constexpr const char* kGenerationConfigFile = "generation_config.json";

/// The ids that mark where a text begins and ends, where the tokenizer has them.
struct SpecialIds {
  std::optional<TokenId> begin;
  std::optional<TokenId> end;
};

/// config.json of GPT2LMHeadModel, LlamaForCausalLM, or, for what transformers does not know, model_type "kiln"; `type`
/// is that of the weights: F32, F16 or BF16.
Json huggingface_config(const ModelConfig& model, Index vocab_size, const SpecialIds& ids,
                        DataType type = DataType::f32);

Json huggingface_generation_config(const SpecialIds& ids);

struct ModelDescription {
  ModelConfig model;  // resolved
  Index vocab_size = 0;
  SpecialIds ids;  // where they are named; of several the first
};

/// Reads a folder's config.json of model_type gpt2, llama or kiln. Throws Error (bad_input) with everything that is
/// missing, mistyped or beyond what kiln computes, one a line: "F/config.json: /rope_scaling: ...".
ModelDescription read_huggingface_config(const std::filesystem::path& folder);

/// The ids alone, of a config.json of any model_type. Throws Error (bad_input) where it is no JSON object.
SpecialIds read_special_ids(const std::filesystem::path& folder, Index vocab_size);

}  // namespace kiln
