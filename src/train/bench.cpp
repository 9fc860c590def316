// Times training first, so that the memory peak is training's alone; then generation and the tokenizer.
#include "kiln/train/bench.h"

#include "kiln/core/contention.h"
#include "kiln/core/error.h"
#include "kiln/core/memory.h"
#include "kiln/core/stopwatch.h"
#include "kiln/core/threads.h"
#include "kiln/data/corpus.h"
#include "kiln/kernels/machine.h"
#include "kiln/text/tokenizer.h"
#include "kiln/train/plan.h"
#include "kiln/train/timing.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr double kStepSeconds = 3.0;  // of timed steps, if they are short
constexpr Index kDecodedTokens = 96;
constexpr Index kTogether[] = {1, 4, 16, 64};    // sequences that are decoded together
constexpr std::size_t kLearntBytes = 2'000'000;  // of text that the tokenizer is trained on
constexpr std::size_t kEncodedBytes = 32'000'000;

/// Returns the bytes per second of encoding the training text once, with a tokenizer whose cache is empty.
std::optional<double> time_tokenizer(const Config& config) {
  if (config.tokenizer.type == TokenizerKind::none || config.data.train.empty()) return std::nullopt;
  try {
    const Corpus corpus(config.located_data(), config.directory);
    Documents learnt, encoded;
    std::size_t bytes = 0;
    for (const std::string_view document : corpus.train()) {
      if (bytes < kLearntBytes) learnt.push_back(document.substr(0, kLearntBytes));
      if (bytes < kEncodedBytes) encoded.push_back(document.substr(0, kEncodedBytes));
      bytes += document.size();
    }
    const std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(config.located_tokenizer(), learnt);
    const Stopwatch stopwatch;
    std::size_t done = 0;
    for (const std::string_view document : encoded) {
      tokenizer->encode(document);
      done += document.size();
    }
    return static_cast<double>(done) / stopwatch.seconds();
  } catch (const Error&) {  // the text cannot be read; the rest is still reported
    return std::nullopt;
  }
}

/// Returns the seconds of `work`, the median of some calls.
template <class Work>
double seconds_of(int calls, Work&& work) {
  std::vector<double> seconds;
  for (int i = 0; i < calls; ++i) {
    const Stopwatch stopwatch;
    work();
    seconds.push_back(stopwatch.seconds());
  }
  return median(std::move(seconds));
}

/// Measures a message to all ranks and back, and how fast they exchange much.
Network measure_network(World& world) {
  constexpr int kMessages = 50, kTransfers = 5;
  constexpr Index kElements = Index{1} << 23;
  Network network{.latency_seconds = seconds_of(kMessages, [&] { world.barrier(); })};
  std::vector<float> data(static_cast<std::size_t>(kElements));
  std::vector<std::int64_t> bounds;
  for (int r = 0; r <= world.size(); ++r) bounds.push_back(kElements * r / world.size());
  const double seconds = seconds_of(kTransfers, [&] { world.all_gather(std::span(data), bounds); });
  const double bytes = static_cast<double>(kElements) * sizeof(float) * (world.size() - 1) / world.size();
  network.bytes_per_second = bytes / std::max(seconds - network.latency_seconds, 1e-9);
  return network;
}

}  // namespace

DistributedReport run_distributed_bench(const Config& config, std::size_t steps, World& world) {
  const LanguageModel<float> model(config.model, config.tokenizer.vocab_size);
  const BatchSizes whole = planned_batch_sizes(config), part = part_sizes(config, world.size());
  require_memory(config, model, part.windows_per_micro_batch, world.size());
  DistributedReport report;
  report.ranks = world.size();
  if (world.size() > 1) report.network = measure_network(world);
  world.barrier();
  const StepTimes alone = time_steps(config, model.vocab_size(), part, {.seconds = 0, .least = steps});
  world.barrier();
  report.alone_seconds = alone.median();
  const StepTimes together = time_steps(config, model.vocab_size(), whole, {.least = steps}, world);
  report.step_seconds = together.median();
  const auto optimizer = alone.parts.find("optimizer");
  const double moving = optimizer == alone.parts.end() ? 0 : optimizer->second;
  const double micro_batches =
      std::ceil(static_cast<double>(part.windows_per_step) / static_cast<double>(part.windows_per_micro_batch));
  report.planned = plan_shared_step(config, model.layout, world.size(), report.network,
                                    {.compute_seconds = report.alone_seconds - moving,
                                     .micro_batches = micro_batches,
                                     .optimizer_seconds = moving,
                                     .threads = static_cast<double>(threads()),
                                     .memory_bandwidth = measure_memory_bandwidth()});
  return world.of_root(report);
}

BenchReport run_bench(const Config& config, std::size_t steps) {
  const Index V = config.tokenizer.vocab_size;
  const BatchSizes sizes = planned_batch_sizes(config);
  BenchReport report;
  report.precision = resolved(config.train.precision);
  const LanguageModel<float> model(config.model, V);
  Config unsaved = config;
  unsaved.train.async_checkpoint = false;  // there will be no checkpoints
  require_memory(unsaved, model, sizes.windows_per_micro_batch);

  const Contention contention;
  const StepTimes times = time_steps(config, V, sizes, {.seconds = kStepSeconds, .least = steps});
  report.training_peak_bytes = peak_memory_bytes();
  report.step_seconds = times.median();
  report.fastest_seconds = times.seconds.front();
  report.slowest_seconds = times.seconds.back();
  report.steps = times.seconds.size();
  report.tokens_per_second = static_cast<double>(sizes.windows_per_step * config.model.n_ctx) / report.step_seconds;
  report.flops_per_second =
      training_flops_per_token(config.model, model.layout, trainable_parameters(config.train, model.layout)) *
      report.tokens_per_second;
  report.parts = times.parts;
  const auto add = [](double sum, const auto& part) { return sum + part.second; };
  const double total = std::accumulate(times.seconds.begin(), times.seconds.end(), 0.0);
  report.parts["other"] =
      total / static_cast<double>(report.steps) - std::accumulate(times.parts.begin(), times.parts.end(), 0.0, add);

  const bool writes = predicts_tokens(config.model.head);
  if (writes) {
    report.generation = time_generation(config, V, report.precision, kDecodedTokens);
    for (const Index together : kTogether) {
      const Index decoded = together == 1 ? kDecodedTokens : kDecodedTokens / 4;
      report.batched_decoding[together] = time_batched_decoding(config, V, report.precision, together, decoded);
    }
  }
  report.tokenizer_bytes_per_second = time_tokenizer(config);
  report.machine = {.fp32_flops = measure_float_peak(),
                    .bf16_flops = measure_bfloat16_peak(),
                    .bytes_per_second = measure_memory_bandwidth()};
  report.waited_share = contention.waited_share();
  return report;
}

}  // namespace kiln
