// Counting with the layout and a counting arena, timing with the stepper that trains.
#include "kiln/train/plan.h"

#include "kiln/core/format.h"
#include "kiln/core/memory.h"
#include "kiln/core/stopwatch.h"
#include "kiln/core/threads.h"
#include "kiln/kernels/matmul.h"
#include "kiln/run/checkpoint_writer.h"
#include "kiln/train/evaluate.h"
#include "kiln/train/pass.h"
#include "kiln/train/stepper.h"
#include "kiln/train/timing.h"

#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

constexpr double kLongestStepSeconds = 4.0;  // a step that is expected to take longer is estimated
constexpr double kMostMemory = 0.5;          // share of the available memory that a timing may take
constexpr double kModelEfficiency = 0.7;     // of the products' speed that whole steps reach, for the estimate
constexpr Index kProductSize = 1024;         // of the matrices whose product is timed

/// Floating-point operations a second of float products with all threads: the best of a few.
double measure_products() {
  Arena arena(static_cast<std::size_t>(3 * kProductSize * kProductSize) * sizeof(float));
  const Mat<float> a = arena.matrix<float>(kProductSize, kProductSize);
  const Mat<float> b = arena.matrix<float>(kProductSize, kProductSize);
  const Mat<float> c = arena.matrix<float>(kProductSize, kProductSize);
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    const Stopwatch stopwatch;
    matmul<float, float>(as_const(a), as_const(b), c);
    best = std::max(best, 2.0 * std::pow(static_cast<double>(kProductSize), 3) / stopwatch.seconds());
  }
  return best;
}

/// Steps, tokens and time, as far as they are known, of a plan that has its speed.
void plan_length(const TrainConfig& train, Index tokens_per_step, Plan& plan) {
  const double step_seconds = static_cast<double>(tokens_per_step) / plan.tokens_per_second;
  plan.by_clock = train.time_budget.has_value();
  if (!train.batch_size.all) {
    plan.steps = plan.by_clock ? static_cast<Index>(train.time_budget->seconds / step_seconds) : train.steps;
  }
  if (plan.steps) {
    plan.tokens = *plan.steps * tokens_per_step;
    plan.tokens_per_parameter = static_cast<double>(*plan.tokens) / static_cast<double>(plan.parameters.total);
    plan.wall_seconds = static_cast<double>(*plan.steps) * step_seconds;
  }
  if (plan.by_clock) plan.wall_seconds = train.time_budget->seconds;
}

}  // namespace

ParameterCounts ParameterCounts::of(const ParameterLayout& layout) {
  ParameterCounts counts;
  counts.token_embedding = layout.count(Role::token_embedding);
  counts.position_embedding = layout.count(Role::position_embedding);
  counts.attention = layout.count(Role::attention) + layout.count(Role::attention_residual);
  counts.mlp = layout.count(Role::mlp) + layout.count(Role::mlp_residual);
  counts.norm = layout.count(Role::norm);
  counts.bias = layout.count(Role::bias);
  counts.unembedding = layout.count(Role::unembedding);
  counts.total = layout.count();
  counts.total_without_token_embedding = counts.total - counts.token_embedding;
  counts.total_tied = counts.total - counts.unembedding;
  counts.total_untied = counts.total_tied + counts.token_embedding;
  return counts;
}

double training_flops_per_token(const ModelConfig& config, const ParameterLayout& layout) {
  Index multiplied = layout.count() - layout.count(Role::position_embedding);
  if (layout.count(Role::unembedding) > 0) multiplied -= layout.count(Role::token_embedding);
  const auto attended =
      static_cast<double>(config.n_layers) * static_cast<double>(config.n_heads * config.head_size() * config.n_ctx);
  return 6 * static_cast<double>(multiplied) + 6 * attended;
}

MemoryPlan plan_memory(const Config& config, const LanguageModel<float>& model, Index windows) {
  const std::uint64_t buffer = static_cast<std::uint64_t>(model.layout.extent()) * sizeof(float);
  const Precision precision = resolved(config.train.precision);
  std::uint64_t state = 0;
  for (const StateLayout& slot : state_layouts(config.optimizer, model.layout)) {
    state += static_cast<std::uint64_t>(slot.layout.extent()) * sizeof(float);
  }
  const std::uint64_t rounded = precision == Precision::bf16 ? buffer / sizeof(float) * sizeof(bfloat16) : 0;
  return {.weights = buffer + rounded,
          .gradients = buffer,
          .optimizer = state + scratch_bytes(config.optimizer, model.layout),
          .activations = pass_bytes(config.model, model.vocab_size(),
                                    {.precision = precision, .recompute = config.train.recompute, .windows = windows}),
          .evaluation = config.train.eval_every > 0 ? evaluator_bytes(config.model, model.vocab_size(), precision) : 0,
          .checkpoint = config.train.copies_checkpoints() ? buffer + state : 0};
}

void require_memory(const Config& config, const LanguageModel<float>& model, Index windows) {
  const MemoryPlan memory = plan_memory(config, model, windows);
  const std::uint64_t available = available_memory_bytes();
  const auto text = [](std::uint64_t bytes) { return format_bytes(static_cast<double>(bytes)); };
  check(memory.total() <= available,
        "training needs {} of memory (weights {}, gradients {}, optimizer {}, activations {}, evaluation {}, copy for "
        "checkpoints {}) and {} are available; choose a smaller model.d_model, model.n_layers or train.batch_size{}",
        text(memory.total()), text(memory.weights), text(memory.gradients), text(memory.optimizer),
        text(memory.activations), text(memory.evaluation), text(memory.checkpoint), text(available),
        memory.checkpoint > 0 ? ", or train.async_checkpoint false" : "");
}

Plan make_plan(const Config& config) {
  const LanguageModel<float> model(config.model, config.tokenizer.vocab_size);
  const BatchSizes sizes = BatchSizes::planned(config);
  Plan plan;
  plan.parameters = ParameterCounts::of(model.layout);
  plan.memory = plan_memory(config, model, sizes.windows_per_micro_batch);
  plan.available_memory = available_memory_bytes();
  plan.flops_per_token = training_flops_per_token(config.model, model.layout);
  Index saved = model.layout.count();
  for (const StateLayout& slot : state_layouts(config.optimizer, model.layout)) saved += slot.layout.count();
  plan.checkpoint_bytes = static_cast<std::uint64_t>(saved) * sizeof(float);

  const auto tokens_per_step = static_cast<double>(sizes.windows_per_step * config.model.n_ctx);
  const bool fits =
      static_cast<double>(plan.memory.total()) <= kMostMemory * static_cast<double>(plan.available_memory);
  const double estimate = kModelEfficiency * measure_products() / plan.flops_per_token;
  if (fits && tokens_per_step / estimate <= kLongestStepSeconds) {
    plan.tokens_per_second = tokens_per_step / time_steps(config, model.vocab_size(), sizes, {}).median();
  } else {
    plan.tokens_per_second = estimate;
    plan.speed_source = SpeedSource::matrix_products;
  }
  plan_length(config.train, sizes.windows_per_step * config.model.n_ctx, plan);
  return plan;
}

}  // namespace kiln
