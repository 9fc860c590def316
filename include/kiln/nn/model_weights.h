// Holds the weights of a model in the precision of its computation.
#pragma once

#include "kiln/kernels/precision.h"
#include "kiln/nn/language_model.h"
#include "kiln/nn/runner.h"
#include "kiln/tensor/parameters.h"

#include <memory>

namespace kiln {

/// Owns the float masters and, in bfloat16, the rounded copy that the model reads.
class ModelWeights {
 public:
  /// Allocates zeroed masters.
  ModelWeights(const ParameterLayout& layout, Precision precision)
      : ModelWeights(std::make_unique<ParameterBuffer<float>>(layout), precision) {}
  /// Takes ownership of the masters. round() fills the copy.
  ModelWeights(std::unique_ptr<ParameterBuffer<float>> masters, Precision precision)
      : precision_(resolved(precision)), masters_(std::move(masters)) {
    if (precision_ == Precision::bf16) rounded_ = std::make_unique<ParameterBuffer<bfloat16>>(masters_->layout());
  }

  Precision precision() const { return precision_; }
  ParameterBuffer<float>& masters() const { return *masters_; }
  Weights view() const {
    if (!rounded_) return Weights(*masters_);
    return masters_ ? Weights(*masters_, *rounded_) : Weights(*rounded_);
  }

  void round() const { view().round(); }
  /// Rounds the masters, and frees what the model does not read: in bfloat16 a third of the memory remains.
  void keep_only_what_is_read() {
    round();
    if (rounded_) masters_.reset();
  }

 private:
  Precision precision_;
  std::unique_ptr<ParameterBuffer<float>> masters_;
  std::unique_ptr<ParameterBuffer<bfloat16>> rounded_;  // null in fp32
};

/// Refers to a model to run, whose parts the caller owns.
struct ModelView {
  const ModelConfig& config;
  Index vocab_size;
  Precision precision;
  Weights weights;  // at least the buffer that this precision reads

  ModelView(const LanguageModel<float>& model, const ModelWeights& owned)
      : config(model.config()), vocab_size(model.vocab_size()), precision(owned.precision()), weights(owned.view()) {}
  /// Refers to a model in float.
  ModelView(const LanguageModel<float>& model, ParameterBuffer<float>& masters)
      : config(model.config()), vocab_size(model.vocab_size()), precision(Precision::fp32), weights(masters) {}

  /// Returns a runner of this model. Throws Error (usage) if the memory cannot be allocated.
  std::unique_ptr<Runner<float>> make_runner(const RunnerOptions& options) const {
    return kiln::make_runner(config, vocab_size, precision, options);
  }
};

}  // namespace kiln
