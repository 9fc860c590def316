// Suggests a learning rate for a config, from a short run with a rising rate (arXiv:1506.01186).
#pragma once

#include "kiln/run/config.h"
#include "kiln/tensor/view.h"

#include <filesystem>
#include <vector>

namespace kiln {

/// A learning rate that rises from `from` to `to` by the same factor every step.
struct LearningRateRange {
  double from = 1e-5;
  double to = 1.0;
  Index steps = 100;

  static constexpr Index kFewestSteps = 20;

  /// Throws Error (usage) unless 0 < from < to and steps >= kFewestSteps.
  void validate() const;
};

struct LearningRatePoint {
  double learning_rate;
  double loss;      // of the step's batch, nats per token
  double smoothed;  // running average up to this step
};

struct LearningRateTest {
  std::vector<LearningRatePoint> points;  // up to the end of the test, which a diverging loss ends early
  double lowest;                          // the learning rate where the smoothed loss was lowest
  double suggested;                       // where it fell fastest before that, along the logarithm of the rate
};

/// Trains the config's model, which it does not keep; caches the text's tokens in the folder `cache`, for the training
/// to come. optimizer.learning_rate rises through the range, and muon_learning_rate in proportion.
/// Throws Error: usage if the loss diverges within the first steps; diverged if it is not finite
/// before the first update; and as TrainingRun's constructor does.
LearningRateTest test_learning_rates(const Config& config, const std::filesystem::path& cache,
                                     const LearningRateRange& range);

}  // namespace kiln
