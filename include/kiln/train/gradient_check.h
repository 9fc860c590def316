// Analytic against central-difference gradients, in double, for a whole model.
#pragma once

#include "kiln/nn/block.h"
#include "kiln/nn/model_config.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kiln {

struct GradientCheckOptions {
  std::uint64_t seed = 1337;
  Recompute recompute = Recompute::none;
  Index batch_size = 2;          // sequences
  Index sequence_length = 8;     // of the longest; cut to n_ctx
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

/// Compares analytic gradients with central differences through the runner that trains, in double. Initialises the
/// weights from the seed, at a scale where every part of the model matters, and draws a batch: random sequences of
/// unequal lengths laid end to end, some rows not scored, the others weighted. Dropout acts with a fixed mask.
/// Allocates weights, gradients and activations in double; the caller checks that there is memory.
std::vector<TensorGradientCheck> check_gradients(const ModelConfig& config, Index vocab_size,
                                                 const GradientCheckOptions& options);

}  // namespace kiln
