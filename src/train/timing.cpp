// Times the TrainStep of training on random tokens.
#include "kiln/train/timing.h"

#include "kiln/core/profile.h"
#include "kiln/core/rng.h"
#include "kiln/core/stopwatch.h"
#include "kiln/infer/generate.h"
#include "kiln/kernels/machine.h"
#include "kiln/nn/language_model.h"
#include "kiln/nn/model_weights.h"
#include "kiln/train/evaluate.h"

#include <algorithm>
#include <utility>

namespace kiln {
namespace {

constexpr double kEvaluationSeconds = 0.3;
constexpr Index kEvaluatedTokens = 4096;  // of a timed evaluation, at least
constexpr Index kPromptTokens = 128;      // or half the context
constexpr std::size_t kPrompts = 5;

struct TimedModel : LanguageModel<float> {
  using LanguageModel<float>::LanguageModel;
  ParameterLayout saved = saved_parameters(layout);
};

/// Returns a config's initial weights, in its precision.
ModelWeights initial_weights(const Config& config, const TimedModel& model, Precision precision) {
  ModelWeights weights(model.layout, model.saved, precision);
  weights.initialise(config.model, config.seed);
  weights.round();
  return weights;
}

/// Returns the model without a value head, which only training has.
ModelConfig without_values(ModelConfig model) {
  if (predicts_tokens(model.head)) model.head = HeadKind::next_token;
  return model;
}

TokenFile random_tokens(Index vocab_size, Index count, std::uint64_t seed) {
  Rng rng(seed, "timing/tokens");
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  for (std::int32_t& token : tokens)
    token = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocab_size)));
  TokenFileBuilder builder(vocab_size);
  builder.append(tokens);
  return TokenFile(builder.finish(), "random tokens");
}

std::vector<Prompt> random_prompts(std::uint64_t seed, Index vocab_size, Index count, Index length) {
  Rng rng(seed, "bench/prompts");
  std::vector<Prompt> prompts(static_cast<std::size_t>(count), Prompt(static_cast<std::size_t>(length)));
  for (Prompt& prompt : prompts) {
    for (TokenId& token : prompt) token = static_cast<TokenId>(rng.below(static_cast<std::uint64_t>(vocab_size)));
  }
  return prompts;
}

/// Windows of random tokens; for an objective of preferences, each one is judged better than the next; for a policy
/// gradient, all their tokens are drawn ones.
class TimedBatches final : public BatchSource {
 public:
  TimedBatches(WindowBatches& windows, const Config& config) : windows_(windows), config_(config) {}

  std::string_view unit() const override { return windows_.unit(); }
  Index epoch() const override { return windows_.epoch(); }
  Index count(Index first, Index micro_batch) override { return windows_.count(first, micro_batch); }
  void fill(Index first, Index count, Batch& batch) override {
    windows_.fill(first, count, batch);
    if (is_of_preferences(config_.objective.type)) judge(batch);
    if (is_of_policy(config_.objective.type)) invent_rollout(batch);
  }
  Index steps_of_epochs(double epochs) override { return windows_.steps_of_epochs(epochs); }

 private:
  static void judge(Batch& batch) {
    const Index answers = std::ssize(batch.rows.sequences);
    batch.reference.assign(static_cast<std::size_t>(answers), 0.0);
    for (Index i = 0; i + 1 < answers; ++i) batch.comparisons.push_back({.chosen = i, .rejected = {i + 1}});
    if (answers == 1) batch.comparisons.push_back({.chosen = 0, .rejected = {0}});
  }

  void invent_rollout(Batch& batch) const {
    const std::vector<double> ones(batch.targets.size(), 1.0);
    batch.drawn.behaviour = batch.drawn.advantages = ones;
    if (config_.policy.kl != KlPlace::k1_in_reward) batch.drawn.reference = ones;
    if (config_.policy.baseline == Baseline::value) batch.drawn.values = batch.drawn.returns = ones;
  }

  WindowBatches& windows_;
  const Config& config_;
};

}  // namespace

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  return *middle;
}

StepTimes time_steps(const Config& config, Index vocab_size, const BatchSizes& sizes, const TimingLimits& limits,
                     World& world) {
  const TimedModel model(config.model, vocab_size);
  const ModelWeights owned = initial_weights(config, model, config.train.precision);
  const Weights weights = owned.view();

  const Index n_ctx = config.model.n_ctx;
  Batcher windows(random_tokens(vocab_size, sizes.windows_per_step * n_ctx + 1, config.seed), n_ctx,
                  DataOrder::sequential, config.seed);
  WindowBatches window_batches(std::move(windows), sizes);
  TimedBatches batches(window_batches, config);
  const RunnerOptions runner = training_runner(config, sizes, parts_of_step(config, world.size()));
  TrainStep train_step(config, model.layout, vocab_size, runner, world);
  train_step.run(weights, batches, {});
  StepTimes times;
  const Profile profile;
  const Stopwatch total;
  do {
    const Stopwatch step;
    train_step.run(weights, batches, {.step = static_cast<Index>(times.seconds.size()) + 1});
    times.seconds.push_back(step.seconds());
    if (limits.on_step) limits.on_step();
  } while (times.seconds.size() < limits.least ||
           (world.size() == 1 && total.seconds() < limits.seconds && times.seconds.size() < limits.most));
  train_step.wait_for_weights();
  std::ranges::sort(times.seconds);
  times.parts = profile.seconds();
  for (auto& [part, seconds] : times.parts) seconds /= static_cast<double>(times.seconds.size());
  return times;
}

double time_evaluation(Config config, Index vocab_size) {
  config.model = without_values(config.model);
  const TimedModel model(config.model, vocab_size);
  const ModelWeights weights = initial_weights(config, model, config.train.precision);
  const Index windows = std::max<Index>(1, kEvaluatedTokens / config.model.n_ctx);
  const TokenFile text = random_tokens(vocab_size, windows * config.model.n_ctx + 1, config.seed);
  const std::unique_ptr<Evaluator> evaluator = make_evaluator(config.model, vocab_size, config.train.precision);
  double seconds = evaluator->evaluate(weights.view(), text).seconds;  // creates the matrix products
  const Stopwatch total;
  while (total.seconds() < kEvaluationSeconds) {
    seconds = std::min(seconds, evaluator->evaluate(weights.view(), text).seconds);
  }
  return static_cast<double>(text.size() - 1) / seconds;
}

GenerationSpeed time_generation(Config config, Index vocab_size, Precision precision, Index decoded) {
  config.model = without_values(config.model);
  const TimedModel language_model(config.model, vocab_size);
  ModelWeights weights = initial_weights(config, language_model, precision);
  weights.keep_only_what_is_read();
  const ModelView model(language_model, weights);
  const Index length = std::max<Index>(1, std::min(kPromptTokens, config.model.n_ctx / 2));
  const Index most = std::clamp<Index>(config.model.n_ctx - length, 1, decoded);
  const std::vector<Prompt> prompts = random_prompts(config.seed, vocab_size, 1, length);
  // Returns the seconds of each token; the first includes the prompt.
  const auto seconds_of = [&](Index tokens) {
    std::vector<double> seconds;
    Stopwatch stopwatch;
    const auto on_token = [&](Index, TokenId, double) {
      seconds.push_back(stopwatch.seconds());
      stopwatch = Stopwatch();
      return true;
    };
    generate(model, prompts, {.max_tokens = tokens}, on_token, [](Index, Finish) {});
    return seconds;
  };
  seconds_of(1);  // creates the matrix products
  std::vector<double> first_tokens(kPrompts);
  for (double& seconds : first_tokens) seconds = seconds_of(1).front();
  std::vector<double> tokens = seconds_of(1 + most);
  tokens.erase(tokens.begin());
  return {.prompt_tokens_per_second = static_cast<double>(length) / median(std::move(first_tokens)),
          .decode_tokens_per_second = 1 / median(std::move(tokens))};
}

double time_batched_decoding(Config config, Index vocab_size, Precision precision, Index together, Index decoded) {
  config.model = without_values(config.model);
  const TimedModel language_model(config.model, vocab_size);
  ModelWeights weights = initial_weights(config, language_model, precision);
  weights.keep_only_what_is_read();
  const ModelView model(language_model, weights);
  const Index length = std::max<Index>(1, std::min(kPromptTokens, config.model.n_ctx / 2));
  const Index most = std::clamp<Index>(config.model.n_ctx - length, 1, decoded);
  const std::vector<Prompt> prompts = random_prompts(config.seed, vocab_size, together, length);
  std::vector<double> seconds;  // of each step in which all draw, the last sequence last
  const auto draw = [&](Index tokens) {
    bool all_draw = true, last_draws = false;
    Stopwatch stopwatch;
    const auto on_token = [&](Index sequence, TokenId, double) {
      if (sequence != together - 1 || !all_draw) return true;
      if (std::exchange(last_draws, true)) seconds.push_back(stopwatch.seconds());
      stopwatch = Stopwatch();
      return true;
    };
    generate(model, prompts, {.max_tokens = tokens}, on_token, [&](Index, Finish) { all_draw = false; });
  };
  draw(2);  // creates the matrix products
  seconds.clear();
  const Stopwatch stopwatch;
  draw(1 + most);
  if (seconds.empty()) return static_cast<double>(together * most) / stopwatch.seconds();  // not all fit side by side
  return static_cast<double>(together) / median(std::move(seconds));
}

double measure_peak(Precision precision) {
  return resolved(precision) == Precision::bf16 ? measure_bfloat16_peak() : measure_float_peak();
}

}  // namespace kiln
