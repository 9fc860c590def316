// Collects the optimizer's state of all ranks for a checkpoint.
#pragma once

#include "kiln/core/world.h"
#include "kiln/optim/optimizer.h"

#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Returns a tensor's name in a checkpoint's optimizer.safetensors: "PARAMETER.SLOT".
std::string name_of_state(const Parameter& parameter, std::string_view slot);

/// The state of an optimizer that ranks share. All of them take part when it is saved: the root collects one tensor
/// after the other, and never holds all.
class SharedState {
 public:
  /// `slots`: the rank's own; `whole`: the state of all parameters (state_layouts); `shares`: that of each rank.
  SharedState(World& world, std::vector<OptimizerSlot> slots, std::vector<StateLayout> whole,
              std::vector<std::vector<StateLayout>> shares);

  const std::vector<StateLayout>& whole() const { return whole_; }

  /// Begins with the first tensor by name. On the root, the values of each tensor will lie at `values()`.
  void begin();
  const float* values() const { return values_.data(); }

  /// Collects the next tensor, which has this name, on the root; other ranks send their part of it.
  void collect(std::string_view name);
  /// Collects all tensors that are left.
  void finish();

 private:
  struct Tensor {
    std::string name;
    std::size_t slot;
    ParameterId id;
  };

  void collect(const Tensor& tensor);

  World& world_;
  std::vector<OptimizerSlot> slots_;
  std::vector<StateLayout> whole_;
  std::vector<std::vector<StateLayout>> shares_;
  std::vector<Tensor> tensors_;  // by name
  std::size_t next_ = 0;
  std::vector<float> values_;  // of the tensor at hand, on the root
};

}  // namespace kiln
