// Reads and writes adapter folders as PEFT does: adapter_config.json and adapter_model.safetensors.
#pragma once

#include "kiln/interop/weight_files.h"
#include "kiln/nn/model_config.h"
#include "kiln/tensor/parameters.h"

#include <filesystem>
#include <string>
#include <string_view>

namespace kiln {

inline constexpr std::string_view kAdapterConfigFile = "adapter_config.json";
inline constexpr std::string_view kAdapterWeightsFile = "adapter_model.safetensors";

/// The contents of an adapter_config.json.
struct AdapterDescription {
  LoraConfig lora;                       // of all linear layers, whichever the folder adapts; new_tokens is set
  Index vocab_size = 0;                  // up to the last new token; 0: that of the base model
  HeadKind head = HeadKind::next_token;  // score: of a reward model, whose head is beside the adapters
  std::string base;                      // base_model_name_or_path: the folder of the model that the adapters belong to
};

/// Returns true if the folder holds adapters, in a form that kiln reads or not.
bool is_adapter_folder(const std::filesystem::path& folder);

/// Throws Error (bad_input) for a file that is not a LoRA's, and for options that kiln does not have, by their names:
/// DoRA, ranks or scales that differ between layers, biases, modules to save other than a reward model's score; also
/// for a pickled adapter_model.bin.
AdapterDescription read_adapter_description(const std::filesystem::path& folder);

/// Writes both files of a model's adapters and flushes them to the disk. Names are those of the family's modules in
/// transformers, under "base_model.model."; new tokens are trainable_token_indices; a reward model's head is
/// one of modules_to_save, for task_type SEQ_CLS. Throws Error (io).
FileDigests write_adapters(const std::filesystem::path& folder, const ModelConfig& model, Index vocab_size,
                           const std::string& base, const ParameterBuffer<float>& weights);

/// Reads the adapters, new tokens and score head of `weights`; leaves other parameters unchanged. Layers that the
/// folder does not adapt get a B of zeros. Ignores copies of embeddings, which PEFT saves where it added rows. Throws
/// Error (bad_input) that lists tensors that are not of this model, lack their partner, or have another shape.
void read_adapters(const std::filesystem::path& folder, const ModelConfig& model, ParameterBuffer<float>& weights);

}  // namespace kiln
