// Compares two checkpoints: config, tokenizer, and each tensor.
#pragma once

#include "kiln/run/config.h"
#include "kiln/run/model_source.h"
#include "kiln/tensor/parameters.h"

#include <string>
#include <vector>

namespace kiln {

/// One parameter of two models, by its name in the layout; its shape is empty for a model that lacks it.
struct TensorDifference {
  std::string name;
  std::vector<Index> shape_a, shape_b;
  bool is_equal = false;  // bit for bit
  // Of b - a, if the shapes are equal; NaN if it is not finite.
  double max_abs = 0;
  double rms = 0;
  double relative_rms = 0;  // rms / rms of a; infinite if a is zero and b is not

  bool is_comparable() const { return shape_a == shape_b; }
};

/// Compares two parameters of the same shape.
TensorDifference compare_tensors(const std::string& name, ConstVec<float> a, ConstVec<float> b);

struct CheckpointComparison {
  std::vector<Difference> config;         // of the runs; of the models only, if one is not a kiln checkpoint
  std::string tokenizer_a, tokenizer_b;   // "byte, 257 entries"; "none"
  bool same_tokenizer = false;            // in every token, merge and rule
  std::vector<TensorDifference> tensors;  // a's, then those only in b

  bool is_equal() const;
  bool has_equal_weights() const;
};

/// Compares two models from open_model; holds both in memory. Throws Error (usage, bad_input).
CheckpointComparison compare(const ModelSource& a, const ModelSource& b);

}  // namespace kiln
