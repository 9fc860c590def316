// Which learning rate suits a config, from one short run in which it rises (arXiv:1506.01186).
#pragma once

#include "kiln/train/prepare.h"

#include <functional>
#include <vector>

namespace kiln {

/// The learning rate rises from `from` to `to` by the same factor every step.
struct LearningRateRange {
  double from = 1e-5;
  double to = 1.0;
  Index steps = 100;

  /// Throws Error (usage) unless 0 < from < to and there are enough steps to see a curve.
  void validate() const;
};

struct LearningRatePoint {
  double learning_rate;
  double loss;      // of the step's batch, nats a token
  double smoothed;  // averaged with those before it
};

struct LearningRateTest {
  std::vector<LearningRatePoint> points;  // as far as the test went: it ends where the loss has run away
  double lowest;                          // the learning rate where the smoothed loss was lowest
  double suggested;                       // where it fell fastest along the logarithm of the rate, before that
};

/// Trains the model that was prepared, which is of no use afterwards. The rate of optimizer.learning_rate rises as the
/// range says, and muon_learning_rate with it. `progress` is told the share done.
LearningRateTest test_learning_rates(Preparation& preparation, const LearningRateRange& range,
                                     const std::function<void(double)>& progress = {});

}  // namespace kiln
