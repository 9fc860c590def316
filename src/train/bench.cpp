// Training first, whose peak of memory is to be its own; then generation and the tokenizer.
#include "kiln/train/bench.h"

#include "kiln/core/error.h"
#include "kiln/core/memory.h"
#include "kiln/core/stopwatch.h"
#include "kiln/data/corpus.h"
#include "kiln/infer/generate.h"
#include "kiln/kernels/machine.h"
#include "kiln/nn/init.h"
#include "kiln/text/tokenizer.h"
#include "kiln/train/plan.h"
#include "kiln/train/timing.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr double kStepSeconds = 3.0;  // of timed steps, where they are short
constexpr Index kPromptTokens = 128;  // or half the context
constexpr std::size_t kPrompts = 5;
constexpr Index kDecodedTokens = 96;             // or the other half
constexpr std::size_t kLearntBytes = 2'000'000;  // of text that the tokenizer is trained on
constexpr std::size_t kEncodedBytes = 32'000'000;

template <class T>
void time_generation(const Config& config, BenchReport& report) {
  const LanguageModel<T> model(config.model, config.tokenizer.vocab_size);
  ParameterBuffer<T> weights(model.layout);
  {
    ParameterBuffer<float> masters(model.layout);
    initialise(config.model, config.seed, masters);
    weights.all() = masters.all().template cast<T>();
  }
  const Index length = std::max<Index>(1, std::min(kPromptTokens, config.model.n_ctx / 2));
  const Index most = std::clamp<Index>(config.model.n_ctx - length, 1, kDecodedTokens);
  std::vector<TokenId> prompt(static_cast<std::size_t>(length));
  Rng rng(config.seed, "bench/prompt");
  for (TokenId& token : prompt) {
    token = static_cast<TokenId>(rng.below(static_cast<std::uint64_t>(model.vocab_size())));
  }
  // Seconds up to each token: the first comes after the prompt, the others one by one.
  const auto seconds_of = [&](Index tokens) {
    std::vector<double> seconds;
    Stopwatch stopwatch;
    const auto on_token = [&](Index, TokenId) {
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
  report.prompt_tokens_per_second = static_cast<double>(length) / median(std::move(prompts));
  report.decode_tokens_per_second = 1 / median(std::move(tokens));
}

/// Bytes a second of encoding the training text, once, by a tokenizer that has not seen a word before.
std::optional<double> time_tokenizer(const Config& config) {
  if (config.tokenizer.type == TokenizerKind::none || config.data.train.empty()) return std::nullopt;
  try {
    const Corpus corpus(config.data, config.directory);
    Documents learnt, encoded;
    std::size_t bytes = 0;
    for (const std::string_view document : corpus.train()) {
      if (bytes < kLearntBytes) learnt.push_back(document.substr(0, kLearntBytes));
      if (bytes < kEncodedBytes) encoded.push_back(document.substr(0, kEncodedBytes));
      bytes += document.size();
    }
    TokenizerConfig tokenizer_config = config.tokenizer;
    if (tokenizer_config.path) tokenizer_config.path = config.locate(*tokenizer_config.path).string();
    const std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(tokenizer_config, learnt);
    const Stopwatch stopwatch;
    std::size_t done = 0;
    for (const std::string_view document : encoded) {
      tokenizer->encode(document);
      done += document.size();
    }
    return static_cast<double>(done) / stopwatch.seconds();
  } catch (const Error&) {  // no such text here: that is no reason to withhold the rest
    return std::nullopt;
  }
}

}  // namespace

BenchReport run_bench(const Config& config, std::size_t steps) {
  const Index V = config.tokenizer.vocab_size;
  const BatchSizes sizes = BatchSizes::planned(config);
  BenchReport report;
  report.precision = resolved(config.train.precision);
  const LanguageModel<float> model(config.model, V);
  Config unsaved = config;
  unsaved.train.async_checkpoint = false;  // there will be no checkpoints
  require_memory(unsaved, model, sizes.windows_per_micro_batch);

  const StepTimes times = time_steps(config, V, sizes, {.seconds = kStepSeconds, .least = steps});
  report.training_peak_bytes = peak_memory_bytes();
  report.step_seconds = times.median();
  report.fastest_seconds = times.seconds.front();
  report.slowest_seconds = times.seconds.back();
  report.steps = times.seconds.size();
  report.tokens_per_second = static_cast<double>(sizes.windows_per_step * config.model.n_ctx) / report.step_seconds;
  report.flops_per_second = training_flops_per_token(config.model, model.layout) * report.tokens_per_second;
  report.parts = times.parts;
  const auto add = [](double sum, const auto& part) { return sum + part.second; };
  const double total = std::accumulate(times.seconds.begin(), times.seconds.end(), 0.0);
  report.parts["other"] =
      total / static_cast<double>(report.steps) - std::accumulate(times.parts.begin(), times.parts.end(), 0.0, add);

  with_precision(report.precision, [&]<class T>() { time_generation<T>(config, report); });
  report.tokenizer_bytes_per_second = time_tokenizer(config);
  report.machine = {.fp32_flops = measure_float_peak(),
                    .bf16_flops = measure_bfloat16_peak(),
                    .bytes_per_second = measure_memory_bandwidth()};
  return report;
}

}  // namespace kiln
