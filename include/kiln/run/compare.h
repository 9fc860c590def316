// How two checkpoints differ: in config, tokenizer, and tensor by tensor.
#pragma once

#include "kiln/run/config.h"
#include "kiln/run/model_source.h"
#include "kiln/tensor/parameters.h"

#include <string>
#include <vector>

namespace kiln {

/// One parameter of two models, by the layout's name; a model that lacks it has no shape of it.
struct TensorDifference {
  std::string name;
  std::vector<Index> shape_a, shape_b;
  bool is_equal = false;  // every bit
  // Of b - a, where the shapes are the same; NaN where it is not finite.
  double max_abs = 0;
  double rms = 0;
  double relative_rms = 0;  // rms over that of a; infinite where a is zero and b is not

  bool is_comparable() const { return shape_a == shape_b; }
};

/// The difference of two parameters of the same shape.
TensorDifference compare_tensors(const std::string& name, ConstVec<float> a, ConstVec<float> b);

struct Comparison {
  std::vector<Difference> config;         // of the runs; of the models alone where one is no checkpoint of kiln's
  std::string tokenizer_a, tokenizer_b;   // "byte, 257 entries"; "none"
  bool same_tokenizer = false;            // every token, merge and rule
  std::vector<TensorDifference> tensors;  // a's, then those that b alone has

  bool is_equal() const;
  bool has_equal_weights() const;
};

/// Compares two models as open_model finds them; takes the memory of both. Throws Error (usage, bad_input).
Comparison compare(const ModelSource& a, const ModelSource& b);

}  // namespace kiln
