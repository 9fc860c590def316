// A whole model as a GGUF file: llama.cpp's architectures gpt2 and llama.
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

/// Whether a GPT-2 whose embeddings are tied has its unembedding, output.weight, in the file once more. llama.cpp needs
/// it before March 2025, and takes the embedding in its place since. A tied Llama never has it.
enum class TiedHead { stored, left_out };

/// The tensors of a GGUF file, called as llama.cpp calls them, matrices [out, in].
std::vector<TensorPlace> gguf_table(const ModelConfig& model, const ParameterLayout& layout,
                                    TiedHead tied_head = TiedHead::stored);

/// Reorders the queries' and keys' columns of every head from halves (pairs are j, j + D/2) to neighbours (2j, 2j + 1),
/// which is how llama.cpp's llama turns them.
void interleave_rotary(const ModelConfig& model, ParameterBuffer<float>& weights);

/// Writes a model that has no obstacles (nor has its tokenizer), flushed to the disk. `name` becomes general.name; of
/// `type` (F32, F16, BF16) are the matrices, all but the position embedding; the rest stays F32, as llama.cpp's own
/// converter has it. The weights are taken over, since a llama's are reordered. Throws Error: io; usage where weights
/// are beyond the type's range, and nothing is written then.
FileDigest write_gguf_model(const std::filesystem::path& path, const std::string& name, const ModelConfig& model,
                            Index vocab_size, ParameterBuffer<float> weights, const Tokenizer& tokenizer,
                            const SpecialIds& ids, DataType type = DataType::f32,
                            TiedHead tied_head = TiedHead::stored);

}  // namespace kiln
