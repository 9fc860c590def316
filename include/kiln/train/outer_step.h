// Brings ranks together that have trained by themselves for some steps.
#pragma once

#include "kiln/core/world.h"
#include "kiln/optim/optimizer.h"
#include "kiln/run/distributed_config.h"
#include "kiln/tensor/chunks.h"

namespace kiln {

/// DiLoCo's outer step (arXiv:2311.08105). With d the mean over ranks of (weights at the last outer step - weights
/// now), m the outer momentum, mu and lr those of the config:
///   m = mu m + d
///   weights = weights at the last outer step - lr (d + mu m)   (nesterov)
///   weights = weights at the last outer step - d               (average)
class OuterStep {
 public:
  /// The arguments must outlive the object. `partition` is over the parameters that train.
  OuterStep(const DistributedConfig& config, World& world, const Partition& partition, const ParameterLayout& trained);

  /// Notes the weights from which the ranks set out, which are the same on all.
  void begin(Weights weights);

  /// Takes the outer step, after which all ranks have the same weights. `scratch` is overwritten. Returns the seconds
  /// that it took.
  double step(Weights weights, ParameterBuffer<float>& scratch);

  /// Returns the state for checkpoints: the momentum. The weights are those of the checkpoint.
  OptimizerSlot slot() { return {kOuterSlot, &momentum_}; }

 private:
  const DistributedConfig& config_;
  World& world_;
  const Partition& partition_;
  ParameterBuffer<float> start_, momentum_;
};

}  // namespace kiln
