// How far a step moved the weights, relative to how long they are: about 1/1000 is usual, far more or less is not.
#pragma once

#include "kiln/tensor/parameters.h"

#include <string_view>
#include <utility>
#include <vector>

namespace kiln {

/// The norm of the weights' change over one step, divided by their norm. Tensors of more than kSampledElements are
/// judged by so many of their elements, spread evenly, so that no second copy of the weights is kept: norms are then
/// right to about a percent.
class UpdateRatio {
 public:
  static constexpr Index kSampledElements = 1 << 14;

  /// All memory is taken here. `layout` must outlive this object.
  explicit UpdateRatio(const ParameterLayout& layout);

  /// The weights before the step.
  void remember(const ParameterBuffer<float>& weights);

  /// The ratio of each role that the model has parameters of ("attention", "norm", ...), and "total". To be called with
  /// the weights after the step; a role whose weights are all zero has a ratio of 0.
  std::vector<std::pair<std::string_view, double>> ratios(const ParameterBuffer<float>& weights) const;

 private:
  const ParameterLayout& layout_;
  std::vector<float> before_;
};

}  // namespace kiln
