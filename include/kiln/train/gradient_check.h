// Compares analytic gradients with central differences, in double, for a whole model.
#pragma once

#include "kiln/nn/block.h"
#include "kiln/nn/model_config.h"
#include "kiln/run/objective_config.h"
#include "kiln/run/policy_config.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kiln {

struct GradientCheckOptions {
  std::uint64_t seed = 1337;
  Recompute recompute = Recompute::none;
  ObjectiveConfig objective = {};  // whose loss is differentiated
  PolicyConfig policy = {};        // of policy gradients, resolved
  Index batch_size = 2;            // sequences
  Index sequence_length = 8;       // of the longest; cut to n_ctx
  Index entries_per_tensor = 8;    // sampled at random; small tensors are checked whole
  double step = 1e-6;              // of the central difference; small because of relu's kink
  double tolerance = 1e-5;         // of |analytic - numeric| / max(|analytic|, |numeric|, floor)
  double floor = 1e-3;             // smaller gradients are compared absolutely, with tolerance * floor
};

/// The worst entry of one parameter tensor.
struct TensorGradientCheck {
  std::string name;
  Index entries = 0;
  double analytic = 0, numeric = 0;
  double error = 0;  // as the tolerance measures it
  bool passed = false;

  /// Updates the worst entry. An error of NaN counts as the worst.
  void add(double entry_analytic, double entry_numeric, const GradientCheckOptions& options);
};

/// Compares analytic gradients with central differences, in double, with the runner that trains. Initialises the
/// weights from the seed, at a scale where every part of the model matters, and draws a batch: random sequences of
/// unequal lengths end to end, some rows not scored, the others weighted. The rows of conversations alternate between
/// turns: those of questions are not scored, those of answers are, with equal weights. Judged answers are compared with
/// each other, with unequal weights and probabilities. Tokens of a policy have random advantages and pasts. Dropout
/// uses a fixed mask. Allocates weights, gradients and activations in double; the caller must check the available
/// memory.
std::vector<TensorGradientCheck> check_gradients(const ModelConfig& config, Index vocab_size,
                                                 const GradientCheckOptions& options);

}  // namespace kiln
