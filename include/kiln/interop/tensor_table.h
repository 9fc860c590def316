// Maps a model's parameters to the tensors of Hugging Face's files, in one table for writing and reading.
#pragma once

#include "kiln/nn/model_config.h"
#include "kiln/tensor/elements.h"
#include "kiln/tensor/parameters.h"

#include <span>
#include <string>
#include <vector>

namespace kiln {

/// A tensor of a file, and the columns [begin, begin + count) of its parameter.
struct TensorPlace {
  std::string name;          // in the file
  ParameterKey key;          // of its parameter
  ParameterId parameter;     // invalid: zeros, for a bias that the model lacks
  Index begin, count;        // columns
  bool transposed;           // the file stores [out, in]
  std::vector<Index> shape;  // in the file
  int group = -1;            // the column group, where the file splits the parameter
};

/// Returns every tensor of the file; they cover each parameter once, but adapters, and a score head if `model` is a
/// language model. Names are those of `family_of(model)`:
/// - kiln: the layout's, [in, out];
/// - gpt2: the layout's, which are GPT-2's, with zeros for biases that the model lacks; those of an untied
///   model and of a reward model have the prefix "transformer.", without which transformers does not find lm_head or
///   score beside them;
/// - llama: LlamaForCausalLM's and LlamaForSequenceClassification's, [out, in], with separate Q, K, V and gate, up.
std::vector<TensorPlace> tensor_table(const ModelConfig& model, const ParameterLayout& layout);

/// Sources for writing the tensors of a table: the weights, which must outlive it, and zeros.
class TensorSources {
 public:
  TensorSources(std::span<const TensorPlace> table, const ParameterBuffer<float>& weights, DataType type);
  TensorSources(const TensorSources&) = delete;  // views into zeros_
  TensorSources& operator=(const TensorSources&) = delete;

  std::vector<TensorSource>& list() { return list_; }  // in the table's order

 private:
  RowMajor<float> zeros_;
  std::vector<TensorSource> list_;
};

}  // namespace kiln
