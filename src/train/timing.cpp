// The stepper that trains, on tokens that mean nothing.
#include "kiln/train/timing.h"

#include "kiln/core/profile.h"
#include "kiln/core/rng.h"
#include "kiln/core/stopwatch.h"
#include "kiln/kernels/machine.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"

#include <algorithm>
#include <optional>

namespace kiln {
namespace {

TokenFile random_tokens(Index vocab_size, Index count, std::uint64_t seed) {
  Rng rng(seed, "timing/tokens");
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  for (std::int32_t& token : tokens)
    token = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocab_size)));
  TokenFileBuilder builder(vocab_size);
  builder.append(tokens);
  return TokenFile(builder.finish(), "random tokens");
}

}  // namespace

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  return *middle;
}

StepTimes time_steps(const Config& config, Index vocab_size, const BatchSizes& sizes, const TimingLimits& limits) {
  const LanguageModel<float> model(config.model, vocab_size);
  ParameterBuffer<float> masters(model.layout);
  initialise(config.model, config.seed, masters);
  std::optional<ParameterBuffer<bfloat16>> rounded;
  if (resolved(config.train.precision) == Precision::bf16) rounded.emplace(model.layout);
  const Weights weights = rounded ? Weights(masters, *rounded) : Weights(masters);
  weights.round();

  Batcher batcher(random_tokens(vocab_size, sizes.windows_per_step * config.model.n_ctx + 1, config.seed),
                  config.model.n_ctx, DataOrder::sequential, config.seed);
  Stepper stepper(config, model.layout, vocab_size, sizes);
  stepper.run(weights, batcher, {});
  StepTimes times;
  const Profile profile;
  const Stopwatch total;
  do {
    const Stopwatch step;
    stepper.run(weights, batcher, {.step = static_cast<Index>(times.seconds.size()) + 1});
    times.seconds.push_back(step.seconds());
  } while (times.seconds.size() < limits.least ||
           (total.seconds() < limits.seconds && times.seconds.size() < limits.most));
  std::ranges::sort(times.seconds);
  times.parts = profile.seconds();
  for (auto& [part, seconds] : times.parts) seconds /= static_cast<double>(times.seconds.size());
  return times;
}

double measure_peak(Precision precision) {
  return resolved(precision) == Precision::bf16 ? measure_bfloat16_peak() : measure_float_peak();
}

}  // namespace kiln
