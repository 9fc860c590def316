// The Hugging Face model folder that a checkpoint is: written, and read whoever wrote it.
#pragma once

#include "kiln/interop/huggingface_config.h"
#include "kiln/interop/weight_files.h"
#include "kiln/tensor/parameters.h"

#include <filesystem>
#include <string>

namespace kiln {

/// What a tokenizer contributes to the folder; a file whose text is empty is not written.
struct TokenizerFiles {
  std::string tokenizer;  // tokenizer.json
  std::string config;     // tokenizer_config.json
  SpecialIds ids;
};

struct HuggingFaceOptions {
  DataType type = DataType::f32;            // of every tensor: F32, F16 or BF16
  std::uint64_t shard_bytes = kShardBytes;  // see write_weight_files
};

/// Writes config.json, generation_config.json, the weights and the tokenizer's files into a folder that is there, each
/// flushed to the disk. Throws Error: io; usage where weights are beyond the type's range, and nothing is written then.
FileDigests write_huggingface_folder(const std::filesystem::path& folder, const ModelConfig& model, Index vocab_size,
                                     const ParameterBuffer<float>& weights, const TokenizerFiles& tokenizer,
                                     const HuggingFaceOptions& options = {});

/// Reads model.safetensors, or the shards that model.safetensors.index.json names (see WeightFiles), into `weights`:
/// F32, F16, BF16 or F64. Names may have or lack the family's prefix ("transformer.", "model."); what transformers
/// keeps beside the weights (causal masks, rotary tables) is passed over. Throws Error (bad_input) that lists all
/// tensors that are missing, unexpected or of another shape; nothing has been read then.
void read_huggingface_weights(const std::filesystem::path& folder, const ModelConfig& model,
                              ParameterBuffer<float>& weights);

/// Holds what a config claims to the weights beside it, before memory is taken for it: a model is made of as many
/// layers and tables of positions as the config says. Throws Error (bad_input) where there are fewer tensors than
/// layers, or where the tables (in float) would take more bytes than the weights and than 64 MB.
void check_claims(const std::filesystem::path& folder, const ModelConfig& model);

/// Throws what reading would throw, and reads no more than the file's header.
void check_huggingface_weights(const std::filesystem::path& folder, const ModelConfig& model,
                               const ParameterLayout& layout);

/// Reads into a new buffer, for which memory is taken only once the file is known to hold such a model.
ParameterBuffer<float> read_huggingface_weights(const std::filesystem::path& folder, const ModelConfig& model,
                                                const ParameterLayout& layout);

}  // namespace kiln
