// Runs without a schedule, and finds the steepest fall of the smoothed loss along the logarithm of the rate.
#include "kiln/train/learning_rate_range.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"

#include "train/training_parts.h"
#include <algorithm>
#include <cmath>
#include <memory>

namespace kiln {
namespace {

constexpr double kPast = 0.85;     // weight of the past in the running average of losses
constexpr double kRunaway = 1.5;   // times the lowest loss: the test ends
constexpr std::size_t kReach = 5;  // steps on either side over which the fall is measured

/// Returns the number of points up to and including the lowest smoothed loss.
std::size_t descent_length(const std::vector<LearningRatePoint>& points) {
  const auto lowest = std::ranges::min_element(points, {}, &LearningRatePoint::smoothed);
  return static_cast<std::size_t>(lowest - points.begin()) + 1;
}

/// Returns the index where the smoothed loss falls fastest. Steps are even along the logarithm of the rate.
std::size_t steepest(const std::vector<LearningRatePoint>& points, std::size_t count) {
  std::size_t best = 0;
  double fall = -1;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t before = i - std::min(i, kReach), after = std::min(i + kReach, count - 1);
    if (after == before) continue;
    const double slope = (points[before].smoothed - points[after].smoothed) / static_cast<double>(after - before);
    if (slope > fall) {
      fall = slope;
      best = i;
    }
  }
  return best;
}

}  // namespace

void LearningRateRange::validate() const {
  check(from > 0 && from < to && std::isfinite(to),
        "from {:g} to {:g}: two learning rates above 0 are expected, the lower one first", from, to);
  check(steps >= kFewestSteps, "{}: at least {} are expected, to see a curve", counted(steps, "step"), kFewestSteps);
}

LearningRateTest test_learning_rates(const Config& config, const std::filesystem::path& cache,
                                     const LearningRateRange& range) {
  range.validate();
  const std::unique_ptr<TrainingParts> p = prepare(config, cache, std::nullopt);
  Work work("trying learning rates", static_cast<double>(range.steps), "steps");
  const double factor = std::pow(range.to / range.from, 1.0 / static_cast<double>(range.steps - 1));
  LearningRateTest test{};
  double average = 0, weights = 0;
  double rate = range.from;
  Index drawn = 0;
  for (Index step = 0; step < range.steps; ++step, rate *= factor) {
    const StepResult result = p->train_step->run(p->weights->view(), *p->data.batches,
                                                 {.step = step,
                                                  .updates = step,
                                                  .examples_drawn = drawn,
                                                  .learning_rate_multiplier = rate / config.optimizer.learning_rate});
    drawn += result.examples;
    if (!result.is_scored) continue;
    if (!result.applied && step == 0) {  // with the initial weights
      fail(ExitCode::diverged,
           "the loss or its gradient is not finite before the first update: the weights hold NaN or are far too large; "
           "{}",
           config.init_from ? "choose another init_from" : "lower init.std");
    }
    if (!result.applied) break;
    average = kPast * average + (1 - kPast) * result.loss;
    weights = kPast * weights + (1 - kPast);
    test.points.push_back({rate, result.loss, average / weights});
    work.add(1);
    const double lowest = std::ranges::min(test.points, {}, &LearningRatePoint::smoothed).smoothed;
    if (test.points.back().smoothed > kRunaway * lowest) break;
  }
  check(std::ssize(test.points) >= LearningRateRange::kFewestSteps / 2,
        "the loss diverged within {}, at a learning rate of {:.3g}; start lower (--from)",
        counted(std::ssize(test.points) + 1, "step"), rate);
  const std::size_t count = descent_length(test.points);
  test.lowest = test.points[count - 1].learning_rate;
  test.suggested = test.points[steepest(test.points, count)].learning_rate;
  if (count == test.points.size() && std::ssize(test.points) == range.steps) {
    warn("the loss still falls at {:.2g}, where the test ends; raise --to", test.lowest);
  } else if (test.suggested == test.lowest) {
    warn("{} steps are too few to tell where the loss falls fastest; raise --steps", range.steps);
  }
  return test;
}

}  // namespace kiln
