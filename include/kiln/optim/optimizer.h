// Defines the interface of optimizers, which update weights from gradients.
#pragma once

#include "kiln/optim/optimizer_config.h"
#include "kiln/tensor/chunks.h"

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace kiln {

/// The inputs that change from step to step.
struct OptimizerStep {
  double learning_rate_multiplier = 1.0;  // from the schedule
  double gradient_scale = 1.0;            // from clipping; multiplies every gradient as it is read
  Index step = 0;                         // updates before this one
};

/// A state buffer of an optimizer, over the parameters that have such a state; saved as "<parameter>.<name>".
struct OptimizerSlot {
  std::string_view name;
  ParameterBuffer<float>* buffer;
};

/// An update rule and its state, which starts at zero.
class Optimizer {
 public:
  Optimizer() = default;
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Updates the weights by one step, and rounds the updated ones into the copy that a bfloat16 model reads. Leaves
  /// weights outside the optimizer's layout and padding unchanged. The result's bits do not depend on the thread count.
  /// Allocates nothing. Gradients must be finite; others would corrupt the state.
  virtual void step(Weights weights, const ParameterBuffer<float>& gradients, const OptimizerStep& step) = 0;

  /// Returns the state for checkpoints, always in the same order. With these buffers' contents and the step number, a
  /// resumed run continues exactly.
  virtual std::vector<OptimizerSlot> slots() = 0;
};

/// Returns which parameters ranks may cut to share an update: Muon reads whole matrices.
MayCut may_be_cut(const OptimizerConfig& config);

/// Makes the config's optimizer for the parameters of `layout`, which must outlive it: all of a model's, or those that
/// train, or slices of them. Gradients and weights are over this layout or a larger one with the same ids.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, const ParameterLayout& layout);

/// An optimizer slot's name and the parameters that it spans.
struct StateLayout {
  std::string_view name;
  ParameterLayout layout;
};

/// Returns the optimizer's slots in order, without buffers.
std::vector<StateLayout> state_layouts(const OptimizerConfig& config, const ParameterLayout& layout);

/// Returns the bytes that the optimizer uses beside its slots; allocates nothing.
std::size_t scratch_bytes(const OptimizerConfig& config, const ParameterLayout& layout);

}  // namespace kiln
