// Sequences of mixed lengths laid end to end, against as many tokens in equal windows: packed/MODEL/LENGTHS/TYPE.
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"
#include "kiln/nn/runner.h"

#include "workload.h"
#include <numeric>
#include <string>

namespace kiln::bench {
namespace {

constexpr Index kSequences = 64, kShortest = 16, kLongest = 256, kRowMultiple = 64;

ModelConfig config_of(const Workload& model) {
  ModelConfig config;
  config.n_layers = 6;
  config.d_model = model.C;
  config.n_heads = model.H;
  config.n_ctx = kLongest;
  config.resolve();
  return config;
}

/// Lengths spread evenly over [kShortest, kLongest], in an order that is not sorted; or all of their mean, 136.
TokenRows make_rows(bool mixed, Index vocab_size) {
  TokenRows rows;
  std::int32_t token = 0;
  for (Index i = 0; i < kSequences; ++i) {
    const Index place = i * 37 % kSequences;  // 37 and 64 have no common factor
    const Index spread = kShortest + place * (kLongest - kShortest) / (kSequences - 1);
    for (std::int32_t& t : rows.append(mixed ? spread : (kShortest + kLongest) / 2)) {
      t = token++ % static_cast<std::int32_t>(vocab_size);
    }
  }
  if (mixed) rows.round_up(kRowMultiple);
  return rows;
}

/// A forward and a backward, every row scored.
void run(benchmark::State& state, const Workload& workload, bool mixed, Precision precision) {
  const ModelConfig config = config_of(workload);
  const LanguageModel<float> model(config, workload.V);
  ParameterBuffer<float> masters(model.layout);
  ParameterBuffer<bfloat16> rounded(model.layout);
  initialise(config, 1, masters);
  const Weights weights(masters, rounded);
  weights.round();
  const TokenRows rows = make_rows(mixed, workload.V);
  const Index scored_rows = rows_in(rows.sequences);
  std::vector<Index> scored(static_cast<std::size_t>(scored_rows));
  std::iota(scored.begin(), scored.end(), Index{0});
  const std::vector<std::int32_t> targets(scored.size(), 3);
  const std::vector<float> d_losses(scored.size(), 1.0f);
  std::vector<float> losses(scored.size());
  Gradients<float> gradients(model.layout);
  const auto runner = make_runner(config, workload.V, precision,
                                  {.rows = rows.size(), .scored = scored_rows, .backward = Recompute::none});
  const auto step = [&] {
    gradients.clear();
    runner->forward(weights, rows, {.training = true, .seed = 1});
    runner->backward({scored, targets}, ConstVec<float>(d_losses.data(), scored_rows),
                     Vec<float>(losses.data(), scored_rows), gradients);
  };
  step();  // touches the memory, and makes the matrix products
  for (auto _ : state) step();
  state.counters["tokens/s"] =
      benchmark::Counter(static_cast<double>(scored_rows), benchmark::Counter::kIsIterationInvariantRate);
}

const bool kAdded = [] {
  const Workload& baby = kWorkloads[1];
  for (const auto& [type, precision] : {std::pair("fp32", Precision::fp32), std::pair("bf16", Precision::bf16)}) {
    for (const bool mixed : {false, true}) {
      const std::string name = std::string("packed/baby/") + (mixed ? "mixed/" : "equal/") + type;
      add(name, [=, &baby](benchmark::State& state) { run(state, baby, mixed, precision); });
    }
  }
  return true;
}();

}  // namespace
}  // namespace kiln::bench
