// A micro-batch through the model and back, in the precision of the run: all of a step that depends on it.
#pragma once

#include "kiln/data/batcher.h"
#include "kiln/kernels/dropout.h"
#include "kiln/nn/model_config.h"
#include "kiln/run/train_config.h"
#include "kiln/tensor/parameters.h"

#include <memory>

namespace kiln {

class Pass {
 public:
  Pass() = default;
  virtual ~Pass() = default;
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  /// Returns scale * (sum of the losses of the batch's positions) and adds its gradients. The batch has at most the
  /// windows that the pass was made for.
  virtual double forward_backward(Weights weights, const Batch& batch, const StepContext& context, double scale,
                                  Gradients<float>& gradients) = 0;
};

/// What a pass is made for: memory for micro-batches of up to `windows` windows of n_ctx tokens.
struct PassOptions {
  Precision precision = Precision::fp32;
  Recompute recompute = Recompute::none;
  Index windows = 1;
};

/// A pass of next-token training.
std::unique_ptr<Pass> make_pass(const ModelConfig& config, Index vocab_size, const PassOptions& options);

/// The bytes that it takes, activations and what kernels keep of their own, without taking them.
std::size_t pass_bytes(const ModelConfig& config, Index vocab_size, const PassOptions& options);

}  // namespace kiln
