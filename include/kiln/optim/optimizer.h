// What turns a gradient into a step of the weights.
#pragma once

#include "kiln/optim/optimizer_config.h"
#include "kiln/tensor/parameters.h"

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace kiln {

/// What differs from one step to the next.
struct OptimizerStep {
  double learning_rate_multiplier = 1.0;  // the schedule's
  double gradient_scale = 1.0;            // the clipping's; multiplies every gradient as it is read
  Index step = 0;                         // updates made before this one
};

/// A buffer of an optimizer's state, over the parameters that have such a state; saved as "<parameter>.<name>".
struct OptimizerSlot {
  std::string_view name;
  ParameterBuffer<float>* buffer;
};

/// A rule of update and its state, which all starts at zero.
class Optimizer {
 public:
  Optimizer() = default;
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Moves the trainable weights by one step, and rounds what moved into the copy that a bfloat16 model reads; others,
  /// and padding, keep every bit. The bits of the result do not depend on the thread count. Allocates nothing; a
  /// gradient that is not finite would spoil the state, and is the caller's to keep away.
  virtual void step(Weights weights, const ParameterBuffer<float>& gradients, const OptimizerStep& step) = 0;

  /// The state, for checkpoints, always in the same order. With the buffers' contents and the number of the step, a run
  /// continues as if it had never been interrupted.
  virtual std::vector<OptimizerSlot> slots() = 0;
};

/// The optimizer that the config names, for buffers over `layout`, which must outlive it. Which parameters train, decay
/// and go to Muon is read from the layout here, once.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, const ParameterLayout& layout);

/// What a slot of that optimizer spans.
struct StateLayout {
  std::string_view name;
  ParameterLayout layout;
};

/// Its slots, in their order, without their buffers.
std::vector<StateLayout> state_layouts(const OptimizerConfig& config, const ParameterLayout& layout);

/// Bytes that it takes beside its slots; allocates nothing.
std::size_t scratch_bytes(const OptimizerConfig& config, const ParameterLayout& layout);

}  // namespace kiln
