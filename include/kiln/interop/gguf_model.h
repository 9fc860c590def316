// Writes a model as a GGUF file of llama.cpp's architecture gpt2 or llama.
#pragma once

#include "kiln/core/hash.h"
#include "kiln/interop/gguf.h"
#include "kiln/interop/huggingface_config.h"
#include "kiln/interop/tensor_table.h"
#include "kiln/text/tokenizer.h"

#include <filesystem>
#include <string>
#include <vector>

namespace kiln {

/// Whether a GPT-2 with tied embeddings also stores its unembedding, output.weight. llama.cpp before March 2025 needs
/// it; later versions use the embedding instead. A tied Llama never stores it.
enum class TiedHead { stored, left_out };

/// Returns the tensors of a GGUF file under llama.cpp's names, matrices [out, in].
std::vector<TensorPlace> gguf_table(const ModelConfig& model, const ParameterLayout& layout,
                                    TiedHead tied_head = TiedHead::stored);

/// Reorders every head's query and key columns from halves (pairs are j, j + D/2) to neighbours (2j, 2j + 1), the pairs
/// that llama.cpp's llama rotates.
void interleave_rotary(const ModelConfig& model, ParameterBuffer<float>& weights);

/// Writes a model and flushes the file to the disk. Neither model nor tokenizer may have unsupported features. `name`
/// becomes general.name. Matrices get `type` (F32, F16, BF16), except the position embedding; the rest stays F32, as in
/// llama.cpp's converter. Takes the weights by value, since a Llama's are reordered. Throws Error: io; usage if weights
/// exceed the type's range, before anything is written.
FileDigest write_gguf_model(const std::filesystem::path& path, const std::string& name, const ModelConfig& model,
                            Index vocab_size, ParameterBuffer<float> weights, const Tokenizer& tokenizer,
                            const SpecialIds& ids, DataType type = DataType::f32, TiedHead tied_head = TiedHead::stored,
                            const std::string& chat_template = "");

}  // namespace kiln
