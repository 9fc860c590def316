// Holds the weights of a model in the precision of its computation.
#pragma once

#include "kiln/kernels/precision.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"
#include "kiln/nn/runner.h"
#include "kiln/tensor/parameters.h"

#include <memory>
#include <type_traits>

namespace kiln {

/// Owns the float masters and, in bfloat16, the rounded copy that the model reads.
class ModelWeights {
 public:
  /// Allocates zeroed masters.
  ModelWeights(const ParameterLayout& layout, Precision precision)
      : ModelWeights(std::make_unique<ParameterBuffer<float>>(layout), precision) {}
  /// Allocates zeroed weights. In bfloat16, only the parameters of `with_masters`, a subset of `layout`, have masters.
  ModelWeights(const ParameterLayout& layout, const ParameterLayout& with_masters, Precision precision)
      : precision_(resolved(precision)),
        masters_(std::make_unique<ParameterBuffer<float>>(precision_ == Precision::bf16 ? with_masters : layout)) {
    if (precision_ == Precision::bf16) rounded_ = std::make_unique<ParameterBuffer<bfloat16>>(layout);
  }
  /// Takes ownership of the masters. round() fills the copy.
  ModelWeights(std::unique_ptr<ParameterBuffer<float>> masters, Precision precision)
      : precision_(resolved(precision)), masters_(std::move(masters)) {
    if (precision_ == Precision::bf16) rounded_ = std::make_unique<ParameterBuffer<bfloat16>>(masters_->layout());
  }

  Precision precision() const { return precision_; }
  ParameterBuffer<float>& masters() const { return *masters_; }
  ParameterBuffer<bfloat16>& rounded() const { return *rounded_; }  // in bfloat16
  /// Returns the buffer that a model of T reads, which must exist.
  template <class T>
  ParameterBuffer<T>& as() const {
    if constexpr (std::is_same_v<T, float>) {
      return *masters_;
    } else {
      return *rounded_;
    }
  }
  Weights view() const {
    if (!rounded_) return Weights(*masters_);
    return masters_ ? Weights(*masters_, *rounded_) : Weights(*rounded_);
  }

  /// Draws initial weights (nn/init.h). round() fills the copy.
  void initialise(const ModelConfig& config, std::uint64_t seed) {
    const bool all_have_masters = !rounded_ || masters_->layout().count() == rounded_->layout().count();
    if (all_have_masters) return kiln::initialise(config, seed, *masters_);
    kiln::initialise(config, seed, *rounded_);
    initialise_added(config, seed, *masters_);
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

  ModelView(const ModelConfig& of, Index vocabulary, Precision computing, const Weights& read)
      : config(of), vocab_size(vocabulary), precision(computing), weights(read) {}
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
