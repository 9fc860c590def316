// Analytic against central-difference gradients, in double, for a whole model.
#pragma once

#include "kiln/nn/model_config.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kiln {

struct GradientCheckOptions {
  std::uint64_t seed = 1337;
  Index batch_size = 2;
  Index sequence_length = 8;     // cut to n_ctx
  Index entries_per_tensor = 8;  // sampled without order; small tensors are checked whole
  double step = 1e-6;            // of the central difference: small, since relu has a kink
  double tolerance = 1e-5;       // of |analytic - numeric| / max(|analytic|, |numeric|, floor)
  double floor = 1e-3;           // gradients below it are compared absolutely, against tolerance * floor
};

/// The worst entry of one parameter tensor.
struct TensorGradientCheck {
  std::string name;
  Index entries = 0;
  double analytic = 0, numeric = 0;
  double error = 0;  // as the tolerance measures it
  bool passed = false;

  /// Takes one more entry in. An error of NaN is the worst there is.
  void add(double entry_analytic, double entry_numeric, const GradientCheckOptions& options);
};

/// Initialises the model's weights from the seed (at a scale where every part of the model matters), draws random
/// tokens, and compares the gradient of the mean next-token loss. Dropout acts with a fixed mask.
/// Takes the memory of a forward and a backward in double, which is the caller's to look at first.
std::vector<TensorGradientCheck> check_gradients(const ModelConfig& config, Index vocab_size,
                                                 const GradientCheckOptions& options);

}  // namespace kiln
