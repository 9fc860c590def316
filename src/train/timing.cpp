// The stepper that trains, on tokens that mean nothing.
#include "kiln/train/timing.h"

#include "kiln/core/profile.h"
#include "kiln/core/rng.h"
#include "kiln/core/stopwatch.h"
#include "kiln/infer/generate.h"
#include "kiln/kernels/machine.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"
#include "kiln/train/evaluate.h"

#include <algorithm>
#include <optional>

namespace kiln {
namespace {

constexpr double kEvaluationSeconds = 0.3;
constexpr Index kEvaluatedTokens = 4096;  // of an evaluation that is timed, at least
constexpr Index kPromptTokens = 128;      // or half the context
constexpr std::size_t kPrompts = 5;

/// Initial weights, and their rounded copy where the precision wants one.
struct RandomWeights {
  ParameterBuffer<float> masters;
  std::optional<ParameterBuffer<bfloat16>> rounded;

  RandomWeights(const Config& config, const ParameterLayout& layout) : masters(layout) {
    initialise(config.model, config.seed, masters);
    if (resolved(config.train.precision) == Precision::bf16) rounded.emplace(layout);
    view().round();
  }
  Weights view() { return rounded ? Weights(masters, *rounded) : Weights(masters); }
};

TokenFile random_tokens(Index vocab_size, Index count, std::uint64_t seed) {
  Rng rng(seed, "timing/tokens");
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  for (std::int32_t& token : tokens)
    token = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocab_size)));
  TokenFileBuilder builder(vocab_size);
  builder.append(tokens);
  return TokenFile(builder.finish(), "random tokens");
}

template <class T>
GenerationSpeed time_generation_in(const Config& config, Index vocab_size, Index decoded) {
  const LanguageModel<T> model(config.model, vocab_size);
  ParameterBuffer<T> weights(model.layout);
  {
    ParameterBuffer<float> masters(model.layout);
    initialise(config.model, config.seed, masters);
    weights.all() = masters.all().template cast<T>();
  }
  const Index length = std::max<Index>(1, std::min(kPromptTokens, config.model.n_ctx / 2));
  const Index most = std::clamp<Index>(config.model.n_ctx - length, 1, decoded);
  std::vector<TokenId> prompt(static_cast<std::size_t>(length));
  Rng rng(config.seed, "bench/prompt");
  for (TokenId& token : prompt) token = static_cast<TokenId>(rng.below(static_cast<std::uint64_t>(vocab_size)));
  // Seconds up to each token: the first comes after the prompt, the others one by one.
  const auto seconds_of = [&](Index tokens) {
    std::vector<double> seconds;
    Stopwatch stopwatch;
    const auto on_token = [&](Index, TokenId, double) {
      seconds.push_back(stopwatch.seconds());
      stopwatch = Stopwatch();
      return true;
    };
    generate<T>(model, weights, prompt, {.max_tokens = tokens}, on_token, [](Index, Finish) {});
    return seconds;
  };
  seconds_of(1);  // makes the matrix products
  std::vector<double> prompts(kPrompts);
  for (double& seconds : prompts) seconds = seconds_of(1).front();
  std::vector<double> tokens = seconds_of(1 + most);
  tokens.erase(tokens.begin());
  return {.prompt_tokens_per_second = static_cast<double>(length) / median(std::move(prompts)),
          .decode_tokens_per_second = 1 / median(std::move(tokens))};
}

}  // namespace

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  return *middle;
}

StepTimes time_steps(const Config& config, Index vocab_size, const BatchSizes& sizes, const TimingLimits& limits) {
  const LanguageModel<float> model(config.model, vocab_size);
  RandomWeights random(config, model.layout);
  const Weights weights = random.view();

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
    if (limits.on_step) limits.on_step();
  } while (times.seconds.size() < limits.least ||
           (total.seconds() < limits.seconds && times.seconds.size() < limits.most));
  std::ranges::sort(times.seconds);
  times.parts = profile.seconds();
  for (auto& [part, seconds] : times.parts) seconds /= static_cast<double>(times.seconds.size());
  return times;
}

double time_evaluation(const Config& config, Index vocab_size) {
  const LanguageModel<float> model(config.model, vocab_size);
  RandomWeights random(config, model.layout);
  const Index windows = std::max<Index>(1, kEvaluatedTokens / config.model.n_ctx);
  const TokenFile text = random_tokens(vocab_size, windows * config.model.n_ctx + 1, config.seed);
  const std::unique_ptr<Evaluator> evaluator = make_evaluator(config.model, vocab_size, config.train.precision);
  double seconds = evaluator->evaluate(random.view(), text).seconds;  // makes the matrix products
  const Stopwatch total;
  while (total.seconds() < kEvaluationSeconds) {
    seconds = std::min(seconds, evaluator->evaluate(random.view(), text).seconds);
  }
  return static_cast<double>(text.size() - 1) / seconds;
}

GenerationSpeed time_generation(const Config& config, Index vocab_size, Precision precision, Index decoded) {
  return with_precision(precision, [&]<class T>() { return time_generation_in<T>(config, vocab_size, decoded); });
}

double measure_peak(Precision precision) {
  return resolved(precision) == Precision::bf16 ? measure_bfloat16_peak() : measure_float_peak();
}

}  // namespace kiln
