// Writes and reads Hugging Face model folders, the format of kiln's checkpoints.
#pragma once

#include "kiln/interop/huggingface_config.h"
#include "kiln/interop/weight_files.h"
#include "kiln/tensor/parameters.h"

#include <filesystem>
#include <string>

namespace kiln {

/// The tokenizer's files in the folder; a file with empty text is not written.
struct TokenizerFiles {
  std::string tokenizer;  // tokenizer.json
  std::string config;     // tokenizer_config.json
  SpecialIds ids;
  std::string chat = {};  // chat_template.jinja; tokenizer_config.json holds it too
};

struct HuggingFaceOptions {
  DataType type = DataType::f32;            // of every tensor: F32, F16 or BF16
  std::uint64_t shard_bytes = kShardBytes;  // see write_weight_files
  RewardScale rewards = {};                 // of a reward model
};

/// Writes the tokenizer's files and generation_config.json into an existing folder and flushes each to the disk. Throws
/// Error (io).
FileDigests write_tokenizer_files(const std::filesystem::path& folder, const TokenizerFiles& tokenizer);

/// Writes config.json, generation_config.json, the weights and the tokenizer's files into an existing folder, and
/// flushes each to the disk. Throws Error: io; usage if weights exceed the type's range, before anything is written.
FileDigests write_huggingface_folder(const std::filesystem::path& folder, const ModelConfig& model, Index vocab_size,
                                     const ParameterBuffer<float>& weights, const TokenizerFiles& tokenizer,
                                     const HuggingFaceOptions& options = {});

/// Reads model.safetensors, or the shards listed in model.safetensors.index.json (see WeightFiles), into `weights`:
/// F32, F16, BF16 or F64. Names may have or lack the family's prefix ("transformer.", "model."). Ignores buffers that
/// transformers stores with the weights (causal masks, rotary tables). Throws Error (bad_input) that lists all missing,
/// unexpected and misshaped tensors, before it reads any. Leaves adapters unchanged. If the
/// buffer is a reward model's and `model` a language model, reads the trunk alone. T is float or bfloat16.
template <class T>
void read_huggingface_weights(const std::filesystem::path& folder, const ModelConfig& model,
                              ParameterBuffer<T>& weights);

/// Checks a config's sizes against the weights beside it, before memory is allocated for its layers and position
/// tables. Throws Error (bad_input) if there are fewer tensors than layers, or if the tables (in float) would take more
/// bytes than both the weights and 64 MB.
void check_config_against_weights(const std::filesystem::path& folder, const ModelConfig& model);

/// Throws as read_huggingface_weights does, but reads only the files' headers.
void check_huggingface_weights(const std::filesystem::path& folder, const ModelConfig& model,
                               const ParameterLayout& layout);

/// Reads into a new buffer, which is allocated only after the files were checked.
ParameterBuffer<float> read_huggingface_weights(const std::filesystem::path& folder, const ModelConfig& model,
                                                const ParameterLayout& layout);

}  // namespace kiln
