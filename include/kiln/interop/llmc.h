// Reads and writes llm.c's model files (its train_gpt2.c): a header of numbers, then a GPT-2's elements, of one type.
//
// Little-endian. 256 int32: [0] magic 20240326; [1] version, 3: float32, 5: bfloat16; [2] positions T; [3] vocabulary
// V; [4] layers L; [5] heads; [6] width C; [7] Vp, V rounded up to a multiple of 128; the others 0. Then the elements;
// each tensor of a layer is stored for all layers consecutively; matrices [out, in]:
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

/// A model, and weights over its layout.
struct LlmcModel {
  std::unique_ptr<LanguageModel<float>> model;  // has config() and vocab_size() = V, without padding
  std::unique_ptr<ParameterBuffer<float>> weights;
};

/// Reads a model file of version 3 or 5: a GPT-2 with gelu_new, biases, tied embeddings and norm_epsilon 1e-5, without
/// a tokenizer. Throws Error (bad_input), before memory for the weights is allocated, if magic or version differ, a
/// size is impossible, or the file's length differs from its header's; Error (io).
LlmcModel read_llmc_model(const std::filesystem::path& path);

/// Reads and checks only the header.
ModelDescription read_llmc_description(const std::filesystem::path& path);

/// Writes a model without llmc_unsupported (unsupported.h) in F32 or BF16 and flushes the file to the disk. Biases that
/// the model lacks become zeros. Throws Error: io; usage if weights exceed the type's range, before anything is
/// written.
FileDigest write_llmc_model(const std::filesystem::path& path, const ModelConfig& model, Index vocab_size,
                            const ParameterBuffer<float>& weights, DataType type = DataType::f32);

}  // namespace kiln
