// llm.c's model files (its train_gpt2.c): a GPT-2, all elements of one type, behind a header of numbers.
//
// Little-endian. 256 int32: [0] magic 20240326; [1] version, 3: float32, 5: bfloat16; [2] positions T; [3] vocabulary
// V; [4] layers L; [5] heads; [6] width C; [7] Vp, V rounded up to a multiple of 128; the others 0. Then the elements,
// each tensor of a layer for all layers in a row, matrices [out, in]:
//   wte (Vp,C) with zeros below row V, wpe (T,C),
//   ln_1 weight (L,C), bias (L,C), attention's q k v weight (L,3C,C), bias (L,3C), its projection (L,C,C), (L,C),
//   ln_2 weight (L,C), bias (L,C), the MLP's expansion (L,4C,C), (L,4C), its projection (L,C,4C), (L,C),
//   ln_f weight (C), bias (C).
#pragma once

#include "kiln/core/hash.h"
#include "kiln/interop/huggingface_config.h"
#include "kiln/nn/language_model.h"
#include "kiln/tensor/elements.h"

#include <filesystem>
#include <memory>

namespace kiln {

/// A model and its weights, which lie over the model's layout.
struct LlmcModel {
  std::unique_ptr<LanguageModel<float>> model;  // with its config() and vocab_size(), V: padding is left out
  std::unique_ptr<ParameterBuffer<float>> weights;
};

/// Reads a model file of version 3 or 5: a GPT-2 with gelu_new, biases and tied embeddings, whose norms add 1e-5. There
/// is no tokenizer in it. Throws Error (bad_input), before memory for the weights is taken, where the magic or version
/// is another, a size is impossible, or the file is not just as long as its header says; Error (io).
LlmcModel read_llmc_model(const std::filesystem::path& path);

/// Its header alone, checked just so.
ModelDescription read_llmc_description(const std::filesystem::path& path);

/// Writes a model that has no llmc_obstacles (obstacles.h), flushed to the disk, in F32 or BF16; biases that it lacks
/// are zeros. Throws Error: io; usage where weights are beyond the type's range, and nothing is written then.
FileDigest write_llmc_model(const std::filesystem::path& path, const ModelConfig& model, Index vocab_size,
                            const ParameterBuffer<float>& weights, DataType type = DataType::f32);

}  // namespace kiln
