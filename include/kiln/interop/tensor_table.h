// How a model's parameters are called and cut in Hugging Face's files: one table, for writing and reading.
#pragma once

#include "kiln/nn/model_config.h"
#include "kiln/tensor/elements.h"
#include "kiln/tensor/parameters.h"

#include <span>
#include <string>
#include <vector>

namespace kiln {

/// What transformers would load a model as; `kiln` where it knows no such architecture.
enum class Family { gpt2, llama, kiln };

/// gpt2: layernorm, learned positions, H D = C, as many key/value heads as heads, an ungated MLP with an activation
/// that transformers has, no qk_norm. llama: rmsnorm, rope, swiglu, no biases, no qk_norm.
Family family_of(const ModelConfig& model);

/// One tensor of a file and the columns [begin, begin + count) of the parameter that it holds.
struct TensorPlace {
  std::string name;          // in the file
  ParameterId parameter;     // a false id: zeros, a bias that the file has and the model does without
  Index begin, count;        // columns
  bool transposed;           // the file has [out, in]
  std::vector<Index> shape;  // in the file
};

/// Every tensor of the file, each parameter covered once. Names are those of `family_of(model)`:
/// - kiln: the layout's own, [in, out];
/// - gpt2: the same, which are GPT-2's, with zeros for biases that the model lacks; an untied model's bear the prefix
///   "transformer.", without which transformers refuses to see lm_head beside them;
/// - llama: LlamaForCausalLM's, [out, in], Q, K, V and gate, up each on their own.
std::vector<TensorPlace> tensor_table(const ModelConfig& model, const ParameterLayout& layout);

/// What the tensors of a table are written from: the weights, which have to outlive it, and zeros.
class TensorSources {
 public:
  TensorSources(std::span<const TensorPlace> table, const ParameterBuffer<float>& weights, DataType type);
  TensorSources(const TensorSources&) = delete;  // views into zeros_
  TensorSources& operator=(const TensorSources&) = delete;

  std::vector<TensorSource>& list() { return list_; }  // in the order of the table

 private:
  RowMajor<float> zeros_;
  std::vector<TensorSource> list_;
};

}  // namespace kiln
