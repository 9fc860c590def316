// Measures how far a step moved the weights, relative to their norm. About 1/1000 is usual.
#pragma once

#include "kiln/tensor/parameters.h"

#include <string_view>
#include <utility>
#include <vector>

namespace kiln {

/// The norm of the weights' change over one step, divided by their norm. Larger tensors are sampled by
/// kSampledElements evenly spread elements instead of keeping a second copy of the weights: their norms are exact to
/// about a percent.
class UpdateRatio {
 public:
  static constexpr Index kSampledElements = 1 << 14;

  /// Allocates all memory. `layout` must outlive this object.
  explicit UpdateRatio(const ParameterLayout& layout);

  /// Stores the weights before the step.
  void remember(const ParameterBuffer<float>& weights);

  /// Returns the ratio of each role with parameters ("attention", "norm", ...), and "total", given the weights after
  /// the step. A role whose weights are all zero has a ratio of 0.
  std::vector<std::pair<std::string_view, double>> ratios(const ParameterBuffer<float>& weights) const;

 private:
  const ParameterLayout& layout_;
  std::vector<float> before_;
};

}  // namespace kiln
