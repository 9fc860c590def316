// Fits a line through two timings.
#include "train/step_cost.h"

#include "kiln/train/timing.h"

#include <algorithm>
#include <numeric>
#include <string>

namespace kiln {
namespace {

constexpr Index kFewEntries = 1024, kManyEntries = 8192;
constexpr double kSeconds = 0.25;         // of a timing
constexpr double kLeastTokenShare = 0.2;  // of a token's time with few entries that the layers have: noise
                                          // aside, more

/// Seconds of the median step and of two of its parts.
struct Timing {
  double step = 0, update = 0, attention = 0;
};

Timing time_with(const Config& config, Index vocab_size, const std::function<void()>& on_step) {
  const BatchSizes sizes = batch_sizes(config, config.train.batch_size.count);
  const StepTimes times = time_steps(config, vocab_size, sizes, {.seconds = kSeconds, .least = 2, .on_step = on_step});
  const double mean =
      std::accumulate(times.seconds.begin(), times.seconds.end(), 0.0) / static_cast<double>(times.seconds.size());
  const auto part = [&](const std::string& name) {  // parts are means
    const auto found = times.parts.find(name);
    return found == times.parts.end() ? 0 : times.median() * std::min(found->second / mean, 1.0);
  };
  return {.step = times.median(), .update = part("optimizer"), .attention = part("attention")};
}

/// Returns the slope from few entries to many, at least 0 in spite of noise.
double per_entry(double at_few, double at_many) {
  return std::max(0.0, (at_many - at_few) / static_cast<double>(kManyEntries - kFewEntries));
}

}  // namespace

StepCost measure_step_cost(Config config, const std::function<void()>& on_step) {
  config.model.resolve();
  const Timing few = time_with(config, kFewEntries, on_step), many = time_with(config, kManyEntries, on_step);
  const auto n_ctx = static_cast<double>(config.model.n_ctx);
  const double tokens = static_cast<double>(config.train.batch_size.count) * n_ctx;
  const double few_token = (few.step - few.update) / tokens, many_token = (many.step - many.update) / tokens;
  StepCost cost;
  cost.update_per_entry = per_entry(few.update, many.update);
  cost.update = std::max(0.0, few.update - cost.update_per_entry * kFewEntries);
  cost.token_per_entry = per_entry(few_token, many_token);
  cost.token_per_position = few.attention / (tokens * n_ctx);
  const double rest = few_token - cost.token_per_entry * kFewEntries - cost.token_per_position * n_ctx;
  cost.token = std::max(kLeastTokenShare * few_token, rest);
  return cost;
}

}  // namespace kiln
