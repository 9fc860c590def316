// Brings ranks together that have trained by themselves for some steps.
#pragma once

#include "kiln/core/world.h"
#include "kiln/optim/optimizer.h"
#include "kiln/run/distributed_config.h"
#include "kiln/tensor/chunks.h"

#include <cstddef>
#include <vector>

namespace kiln {

/// DiLoCo's outer step (arXiv:2311.08105). With d the mean over ranks of (weights at the last outer step - weights
/// now), m the outer momentum, mu and lr those of the config:
///   m = mu m + d
///   weights = weights at the last outer step - lr (d + mu m)   (nesterov)
///   weights = weights at the last outer step - d               (average)
class OuterStep {
 public:
  /// All arguments must outlive the object.
  OuterStep(const DistributedConfig& config, World& world, const ParameterLayout& trained);

  /// Notes the weights from which the ranks set out, which are the same on all.
  void begin(Weights weights);

  /// Takes the outer step, after which all ranks have the same weights. Returns the seconds that it took.
  double step(Weights weights);

  /// Returns the state for checkpoints: the momentum. The weights are those of the checkpoint.
  OptimizerSlot slot() { return {kOuterSlot, &momentum_}; }

 private:
  void step_chunks(Weights weights, std::size_t first, std::size_t last);

  const DistributedConfig& config_;
  World& world_;
  std::vector<Chunk> chunks_;
  ParameterBuffer<float> start_, momentum_;
  std::vector<float> differences_;  // of some chunks at a time
};

}  // namespace kiln
