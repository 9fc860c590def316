// Assesses every combination by its cost and the scaling law, without timing.
#include "train/choice.h"

#include "kiln/core/memory.h"
#include "kiln/nn/language_model.h"
#include "kiln/train/plan.h"
#include "kiln/train/train_step.h"

#include "train/scaling_law.h"
#include <algorithm>
#include <cmath>
#include <optional>

namespace kiln {
namespace {

constexpr Index kShortestContext = 64;

/// Sets learning rates: tuned at width 128, lower for wider models.
void set_learning_rates(OptimizerConfig& optimizer, Index d_model) {
  const auto rounded = [](double rate) { return std::stod(fmt::format("{:.1g}", rate)); };
  const double narrowing = 128.0 / static_cast<double>(d_model);
  optimizer.muon_learning_rate = rounded(0.05 * std::min(1.0, std::sqrt(narrowing)));
  optimizer.learning_rate = rounded(5e-3 * std::min(1.0, narrowing));
}

/// Returns the shape with half, one and two times its context, each with windows for half, one and two times its tokens
/// per step.
std::vector<Shape> variants_of(const Shape& shape) {
  std::vector<Shape> variants;
  const Index tokens = shape.n_ctx * shape.batch_size;
  for (const Index n_ctx : {shape.n_ctx, shape.n_ctx / 2, 2 * shape.n_ctx}) {
    for (const Index tokens_per_step : {tokens, tokens / 2, 2 * tokens}) {
      if (n_ctx < kShortestContext) continue;
      Shape variant = shape;
      variant.n_ctx = n_ctx;
      variant.batch_size = tokens_per_step / n_ctx;
      variants.push_back(variant);
    }
  }
  return variants;
}

Candidate assess(const Config& config, const VocabularyOption& vocabulary, const StepCost& cost,
                 const Circumstances& circumstances) {
  const Index V = vocabulary.size;
  const LanguageModel<float> model(config.model, V);
  Candidate candidate{.model = config.model,
                      .vocabulary = vocabulary,
                      .batch_size = config.train.batch_size.count,
                      .parameters = model.layout.count()};
  candidate.tokens_per_second =
      static_cast<double>(candidate.tokens_per_step()) / cost.seconds(V, config.model.n_ctx, candidate.batch_size);
  candidate.tokens = candidate.tokens_per_second * circumstances.seconds;
  const double unique_tokens = circumstances.text.tokens(vocabulary.bytes_per_token);
  candidate.passes = candidate.tokens / unique_tokens;
  const auto parameters = static_cast<double>(candidate.parameters);
  candidate.pressure = candidate.passes * parameters / unique_tokens;
  const auto embedding = static_cast<double>(model.layout.count(Role::token_embedding));
  candidate.expected_bits = expected_bits_per_byte({.hidden_parameters = parameters - embedding,
                                                    .embedding_parameters = embedding,
                                                    .vocab_size = static_cast<double>(V),
                                                    .bytes_per_token = vocabulary.bytes_per_token,
                                                    .bytes = candidate.tokens * vocabulary.bytes_per_token,
                                                    .unique_bytes = static_cast<double>(circumstances.text.bytes),
                                                    .steps = candidate.steps(),
                                                    .tokens_per_step = static_cast<double>(candidate.tokens_per_step()),
                                                    .context = static_cast<double>(config.model.n_ctx)});
  return candidate;
}

}  // namespace

void set_shape(Config& config, const Shape& shape) {
  config.model.n_layers = shape.n_layers;
  config.model.d_model = shape.d_model;
  config.model.n_heads = shape.n_heads;
  config.model.n_ctx = shape.n_ctx;
  config.train.batch_size = CountOrAll{.count = shape.batch_size};
  set_learning_rates(config.optimizer, shape.d_model);
}

bool fits_into_memory(const Config& config, Index vocab_size) {
  Config resolved = config;
  resolved.model.resolve();
  const LanguageModel<float> model(resolved.model, vocab_size);
  const BatchSizes sizes = batch_sizes(resolved, resolved.train.batch_size.count);
  const auto memory = static_cast<double>(plan_memory(resolved, model, sizes.windows_per_micro_batch).total());
  return memory <= kMemoryShare * static_cast<double>(available_memory_bytes());
}

std::vector<Candidate> candidates_of(Config config, const Shape& shape, const StepCost& cost,
                                     const Circumstances& circumstances) {
  const ModelConfig unresolved = config.model;
  std::vector<Candidate> best;
  for (const VocabularyOption& vocabulary : circumstances.vocabularies) {
    std::optional<Candidate> of_vocabulary;
    for (const Shape& variant : variants_of(shape)) {
      config.model = unresolved;
      set_shape(config, variant);
      config.model.resolve();
      const Candidate candidate = assess(config, vocabulary, cost, circumstances);
      if (of_vocabulary && of_vocabulary->expected_bits <= candidate.expected_bits) continue;
      if (fits_into_memory(config, vocabulary.size)) of_vocabulary = candidate;
    }
    if (of_vocabulary) best.push_back(*of_vocabulary);
  }
  return best;
}

}  // namespace kiln
