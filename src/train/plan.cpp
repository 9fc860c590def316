// Counts with the layout and a counting arena, and times the TrainStep of training.
#include "kiln/train/plan.h"

#include "kiln/core/contention.h"
#include "kiln/core/format.h"
#include "kiln/core/memory.h"
#include "kiln/core/stopwatch.h"
#include "kiln/core/threads.h"
#include "kiln/kernels/machine.h"
#include "kiln/kernels/matmul.h"
#include "kiln/run/checkpoint_writer.h"
#include "kiln/train/evaluate.h"
#include "kiln/train/timing.h"
#include "kiln/train/train_step.h"
#include "kiln/train/training_length.h"

#include "train/planned_work.h"
#include "train/text_length.h"
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace kiln {
namespace {

constexpr double kLongestStepSeconds = 4.0;         // longer steps are estimated
constexpr double kShortStep = 4e9;                  // operations of a step that is surely shorter
constexpr double kMostMemory = 0.5;                 // share of the available memory for a timing
constexpr double kModelEfficiency = 0.7;            // speed of whole steps relative to products, for the estimate
constexpr Index kProductSize = 1024;                // of the matrices whose product is timed
constexpr double kDiskSpeed = 400e6;                // bytes of a checkpoint per second, assumed
constexpr std::uint64_t kLibraryBytes = 20 << 20;   // of kernels and libraries, if no step is timed to measure them
constexpr std::uint64_t kRunBytes = 4 << 20;        // beyond steps: text and tokens, evaluations, saves, logs; measured
constexpr Index kMostTogether = 64;                 // answers that are drawn together (infer/generate)
constexpr Index kPromptTokens = 32;                 // of a rollout, assumed
constexpr double kCopySpeed = 4e9;                  // bytes per second of the copy for background saves
constexpr std::uint64_t kReceivedBytes = 16 << 20;  // of other ranks, at a time (core/world, train/outer_step)
constexpr int kMostRanks = 4096;                    // that a plan compares
constexpr double kWorthwhile = 0.75;                // of the time with half as many ranks

/// Returns the floating-point operations per second of float products with all threads: the best of a few.
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

/// Returns true if a model is small enough for this machine to time its steps.
bool fits_for_timing(const MemoryPlan& memory, std::uint64_t available) {
  return static_cast<double>(memory.total()) <= kMostMemory * static_cast<double>(available);
}

/// Returns true if a run scores all answers under a reference model before its first step.
bool scores_by_reference(const Config& config) {
  return is_of_preferences(config.objective.type) && has_reference(config.objective.type);
}

/// Tokens per second of training and evaluation, and seconds per sample.
struct Speeds {
  double training = 0, evaluation = 0, sample_seconds = 0;
  double decoding = 0;           // of a policy's answers, drawn together
  double optimizer_seconds = 0;  // of a step's; 0 if no step is timed
  SpeedSource source = SpeedSource::timed_steps;
  std::optional<std::uint64_t> program_bytes = std::nullopt;  // memory of the steps beyond the counted buffers
};

Speeds measure_speeds(const Config& config, const LanguageModel<float>& model, const BatchSizes& sizes,
                      const MemoryPlan& memory, bool fits, double flops_per_token) {
  const TrainConfig& train = config.train;
  const bool samples = train.sample_every > 0 || train.sample_at_evaluations;
  const auto tokens_per_step = static_cast<double>(sizes.windows_per_step * config.model.n_ctx);
  const double operations = tokens_per_step * flops_per_token;
  if (!fits || operations > kShortStep) {  // a shorter step is always timed, without measuring products
    const double speed = kModelEfficiency * measure_products();
    if (!fits || operations / speed > kLongestStepSeconds) {
      const auto bytes = static_cast<double>(model.layout.extent()) * sizeof(float);  // read by each sampled token
      const double sample = samples ? kSampleTokens * bytes / measure_memory_bandwidth() : 0;
      const double estimate = speed / flops_per_token;
      return {.training = estimate,
              .evaluation = kForwardSpeed * estimate,
              .sample_seconds = sample,
              .decoding = kForwardSpeed * estimate,
              .source = SpeedSource::matrix_products};
    }
  }
  const Index V = model.vocab_size();
  restart_peak_memory();
  const StepTimes times = time_steps(config, V, sizes, {});
  Speeds speeds{.training = tokens_per_step / times.median()};
  const auto optimizer = times.parts.find("optimizer");
  if (optimizer != times.parts.end()) speeds.optimizer_seconds = optimizer->second;
  const std::uint64_t held = recent_peak_memory_bytes();
  const std::uint64_t counted = memory.weights + memory.gradients + memory.optimizer + memory.activations;
  if (held > counted) speeds.program_bytes = held - counted;
  const bool draws = is_of_policy(config.objective.type);  // evaluations draw answers too
  if ((train.eval_every > 0 && !draws) || scores_by_reference(config)) speeds.evaluation = time_evaluation(config, V);
  if (draws) {
    constexpr Index kTimedTokens = 16;
    const Index together = std::min<Index>(config.policy.episodes(), kMostTogether);
    speeds.decoding = time_batched_decoding(config, V, resolved(train.precision), together, kTimedTokens);
  }
  if (samples) {  // from the float weights
    constexpr Index kTimedTokens = 16;
    speeds.sample_seconds =
        kSampleTokens / time_generation(config, V, Precision::fp32, kTimedTokens).decode_tokens_per_second;
  }
  return speeds;
}

/// Returns the tokens of an answer of a policy, at most.
Index answer_tokens(const Config& config) { return std::min<Index>(config.policy.max_tokens, config.model.n_ctx); }

/// Returns the tokens of one evaluation, of a policy with those that it draws; 0 if nothing is held out, or if all of a
/// text that cannot be read is scored.
Index evaluated_tokens(const Config& config, const std::optional<TextLength>& text) {
  const TrainConfig& train = config.train;
  if (train.eval_every == 0 || !config.data.has_validation()) return 0;
  if (is_of_policy(config.objective.type)) {
    return text ? text->validation + text->held_out_prompts * answer_tokens(config) : 0;
  }
  const Index most = train.most_evaluated_tokens(config.model.n_ctx);
  if (text) return std::min(most, std::max<Index>(text->validation - 1, 0));
  return most == std::numeric_limits<Index>::max() ? 0 : most;
}

/// Returns the tokens of a rollout's prompts and answers.
double rollout_tokens(const Config& config) {
  const Index prompt = std::min<Index>(kPromptTokens, std::max<Index>(1, config.model.n_ctx / 2));
  const Index answer = std::min<Index>(config.policy.max_tokens, config.model.n_ctx - prompt);
  return static_cast<double>(config.policy.episodes() * (prompt + answer));
}

/// Returns the time to draw `answers`, and to find log p of their `tokens`, with those of their prompts, under the
/// model and the reference.
double drawing_seconds(const Config& config, const Speeds& speeds, Index answers, double tokens) {
  const double forwards = config.objective.beta > 0 ? 2 : 1;
  return static_cast<double>(answers * answer_tokens(config)) / speeds.decoding +
         forwards * tokens / (kForwardSpeed * speeds.training);
}

/// Returns the time of a rollout and its steps.
PlannedRollout plan_rollout(const Config& config, const Speeds& speeds) {
  const PolicyConfig& policy = config.policy;
  const double tokens = rollout_tokens(config);
  return {.answers = policy.episodes(),
          .drawing_seconds = drawing_seconds(config, speeds, policy.episodes(), tokens),
          .training_seconds = static_cast<double>(*policy.passes) * tokens / speeds.training,
          .decode_tokens_per_second = speeds.decoding};
}

/// Returns the bytes of the reference, and of the runner that draws.
std::uint64_t rollout_bytes(const Config& config, const LanguageModel<float>& model, Precision precision) {
  if (!is_of_policy(config.objective.type)) return 0;
  const auto element = precision == Precision::bf16 ? sizeof(bfloat16) : sizeof(float);
  const Index together = std::min<Index>(config.policy.episodes(), kMostTogether);
  const std::uint64_t reference =
      config.objective.beta > 0 ? static_cast<std::uint64_t>(model.layout.extent()) * element : 0;
  return reference + runner_bytes(config.model, model.vocab_size(), precision,
                                  {.rows = config.model.n_ctx, .slots = together, .slot_size = config.model.n_ctx});
}

/// Returns the time of an evaluation of so many tokens; 0 if there is none.
double evaluation_seconds(const Config& config, const Speeds& speeds, const std::optional<TextLength>& text,
                          Index tokens) {
  if (tokens == 0) return 0;
  const auto count = static_cast<double>(tokens);
  if (is_of_policy(config.objective.type)) return drawing_seconds(config, speeds, text->held_out_prompts, count);
  return count / speeds.evaluation;
}

/// Sets a plan's steps, tokens and time as far as known. Its memory and tokens per evaluation must be set.
void plan_length(const Config& config, const Speeds& speeds, const std::optional<TextLength>& text, Plan& plan) {
  const TrainConfig& train = config.train;
  const Index n_ctx = config.model.n_ctx;
  const std::optional<Index> windows_per_epoch =
      text ? std::optional(std::max<Index>(1, (text->train - 1) / n_ctx)) : std::nullopt;
  plan.by_clock = train.time_budget.has_value();
  if (plan.by_clock) plan.wall_seconds = train.time_budget->seconds;
  const bool is_policy = is_of_policy(config.objective.type);
  if (is_policy) plan.rollout = plan_rollout(config, speeds);
  if ((train.batch_size.all || train.epochs) && !windows_per_epoch) return;
  const Index windows_per_step = batch_sizes(config, windows_per_epoch.value_or(0)).windows_per_step;
  if (is_policy && train.epochs) return;  // the prompts are not read
  const double steps_per_rollout =
      is_policy ? static_cast<double>(*config.policy.passes * config.policy.minibatches) : 1;
  const Index tokens_per_step =
      is_policy ? static_cast<Index>(rollout_tokens(config)) / config.policy.minibatches : windows_per_step * n_ctx;
  const auto bytes = static_cast<double>(plan.checkpoint_bytes);
  const UnitCosts costs{.step = static_cast<double>(tokens_per_step) / speeds.training +
                                (plan.rollout ? plan.rollout->drawing_seconds / steps_per_rollout : 0),
                        .evaluation = evaluation_seconds(config, speeds, text, plan.evaluated_tokens),
                        .sample = speeds.sample_seconds,
                        .save = bytes / kDiskSpeed,
                        .background_save = bytes / kCopySpeed};
  plan.steps = plan.by_clock  ? steps_within(train, train.time_budget->seconds, costs)
               : train.epochs ? steps_of_epochs(*train.epochs, *windows_per_epoch, windows_per_step)
                              : *train.steps;
  plan.tokens = *plan.steps * tokens_per_step;
  plan.tokens_per_parameter = static_cast<double>(*plan.tokens) / static_cast<double>(plan.parameters.total);
  const WorkPlan work = plan_work(train, *plan.steps, costs);
  const bool evaluations_are_known =
      plan.evaluated_tokens > 0 || train.eval_every == 0 || text || !config.data.has_validation();
  if (evaluations_are_known) plan.evaluations = work.evaluations;
  plan.samples = work.samples;
  plan.saves = work.saves;
  if (!plan.by_clock) plan.wall_seconds = work.seconds;
}

/// Sets a plan's pass of the reference over all answers, which is as fast as an evaluation.
void plan_reference(const Config& config, const Speeds& speeds, const std::optional<TextLength>& text, Plan& plan) {
  if (!scores_by_reference(config)) return;
  plan.reference.reset();
  if (!text) return;
  plan.reference_tokens = text->train + text->validation;
  plan.reference = {.count = 1, .seconds = static_cast<double>(plan.reference_tokens) / speeds.evaluation};
}

/// Returns the bytes of the run's evaluator, which is also as large as the reference's runner.
std::size_t evaluation_bytes(const Config& config, const LanguageModel<float>& model, Precision precision,
                             Index windows) {
  if (!is_of_preferences(config.objective.type)) return evaluator_bytes(config.model, model.vocab_size(), precision);
  const Index rows = windows * config.model.n_ctx;
  return runner_bytes(config.model, model.vocab_size(), precision, {.rows = rounded_up_rows(rows), .scored = rows});
}

}  // namespace

ParameterCounts ParameterCounts::of(const ParameterLayout& layout) {
  ParameterCounts counts;
  counts.token_embedding = layout.count(Role::token_embedding);
  counts.position_embedding = layout.count(Role::position_embedding);
  counts.attention = layout.count(Role::attention) + layout.count(Role::attention_residual);
  counts.mlp = layout.count(Role::mlp) + layout.count(Role::mlp_residual);
  counts.norm = layout.count(Role::norm);
  counts.adapters = layout.count(Role::adapter);
  counts.bias = layout.count(Role::bias);
  counts.unembedding = layout.count(Role::unembedding);
  counts.score = layout.count(Role::score);
  counts.total = layout.count();
  counts.total_without_token_embedding = counts.total - counts.token_embedding;
  counts.total_tied = counts.total - counts.unembedding;
  counts.total_untied = counts.total_tied + (counts.score > 0 ? 0 : counts.token_embedding);  // unembeds nothing
  return counts;
}

double training_flops_per_token(const ModelConfig& config, const ParameterLayout& layout,
                                const ParameterLayout& trained) {
  const bool is_looked_up = layout.count(Role::unembedding) > 0 || layout.count(Role::score) > 0;
  const auto multiplied = [&](const ParameterLayout& some) {
    return some.count() - some.count(Role::position_embedding) - some.count(Role::score) -
           (is_looked_up ? some.count(Role::token_embedding) : 0);
  };
  const auto attended =
      static_cast<double>(config.n_layers) * static_cast<double>(config.n_heads * config.head_size() * config.n_ctx);
  return 4 * static_cast<double>(multiplied(layout)) + 2 * static_cast<double>(multiplied(trained)) + 6 * attended;
}

MemoryPlan plan_memory(const Config& config, const LanguageModel<float>& model, Index windows, int ranks) {
  const Precision precision = resolved(config.train.precision);
  const auto all = static_cast<std::uint64_t>(model.layout.extent());
  const auto saved = static_cast<std::uint64_t>(saved_parameters(model.layout).extent()) * sizeof(float);
  const ParameterLayout trained = trainable_parameters(config.train, model.layout);
  const bool shards = shares_state(config, trained, model.layout, ranks);
  const ParameterLayout share = shards ? Partition(trained, ranks, may_be_cut(config.optimizer)).share(0) : trained;
  std::uint64_t state = 0;
  for (const StateLayout& slot : state_of_run(config, share)) {
    state += static_cast<std::uint64_t>(slot.layout.extent()) * sizeof(float);
  }
  std::uint64_t largest = 0;  // of the tensors that the root collects one after the other
  for (const Parameter& p : trained.parameters())
    largest = std::max(largest, static_cast<std::uint64_t>(p.size()) * sizeof(float));
  const auto gradients = static_cast<std::uint64_t>(trained.extent()) * sizeof(float);
  const Index own_parts = config.distributed.leaves.value_or(ranks) / ranks;
  const auto halves = static_cast<std::uint64_t>(std::bit_width(static_cast<std::uint64_t>(own_parts)) - 1);
  return {.weights = precision == Precision::bf16 ? saved + all * sizeof(bfloat16) : all * sizeof(float),
          .gradients = gradients * (1 + halves) + (ranks > 1 ? kReceivedBytes : 0),
          .optimizer = state + (config.distributed.is_local() ? gradients + kReceivedBytes : 0) +
                       scratch_bytes(config.optimizer, share),
          .activations =
              runner_bytes(config.model, model.vocab_size(), precision, training_runner(config, {windows, windows})),
          .evaluation = config.train.eval_every > 0 ? evaluation_bytes(config, model, precision, windows) : 0,
          .checkpoint = shards                              ? largest
                        : config.train.copies_checkpoints() ? saved + state
                                                            : 0,
          .rollout = rollout_bytes(config, model, precision)};
}

void require_memory(const Config& config, const LanguageModel<float>& model, Index windows, int ranks) {
  const MemoryPlan memory = plan_memory(config, model, windows, ranks);
  const std::uint64_t available = available_memory_bytes();
  const auto text = [](std::uint64_t bytes) { return format_bytes(static_cast<double>(bytes)); };
  check(memory.total() <= available,
        "training needs {} of memory (weights {}, gradients {}, optimizer {}, activations {}, evaluation {}, copy for "
        "checkpoints {}) and {} are available; choose a smaller model.d_model, model.n_layers or train.batch_size{}",
        text(memory.total()), text(memory.weights), text(memory.gradients), text(memory.optimizer),
        text(memory.activations), text(memory.evaluation), text(memory.checkpoint), text(available),
        memory.checkpoint > 0 ? ", or train.async_checkpoint false" : "");
}

BatchSizes part_sizes(const Config& config, int ranks) {
  const BatchSizes whole = planned_batch_sizes(config);
  check(ranks <= whole.windows_per_step,
        "a step has {}, too few for {}; raise train.batch_size or train.gradient_accumulation",
        counted(whole.windows_per_step, "window"), counted(ranks, "rank"));
  const Index micro_batch = training_runner(config, whole, ranks).rows / config.model.n_ctx;
  const Index windows = (whole.windows_per_step + ranks - 1) / ranks;
  return {windows, std::min(windows, micro_batch)};
}

/// Plans a step that ranks share. Times the part of one rank as measure_speeds does.
ClusterPlan plan_cluster(const Config& config, const LanguageModel<float>& model, const Cluster& cluster,
                         const Plan& plan) {
  const Index n_ctx = config.model.n_ctx;
  const BatchSizes whole = planned_batch_sizes(config), part = part_sizes(config, cluster.ranks);
  ClusterPlan result;
  result.memory = plan_memory(config, model, part.windows_per_micro_batch, cluster.ranks);
  const MemoryPlan here = plan_memory(config, model, part.windows_per_micro_batch);
  const bool fits = fits_for_timing(here, plan.available_memory);
  const Speeds speeds = measure_speeds(config, model, part, here, fits, plan.flops_per_token);
  result.memory.program = plan.memory.program;

  const double faster = static_cast<double>(cluster.cores.value_or(threads())) / threads();
  const auto windows = static_cast<double>(part.windows_per_step);
  const double seconds = windows * static_cast<double>(n_ctx) / speeds.training;
  RankCosts costs{.compute_seconds = (seconds - speeds.optimizer_seconds) / faster,
                  .micro_batches = std::ceil(windows / static_cast<double>(part.windows_per_micro_batch)),
                  .optimizer_seconds = speeds.optimizer_seconds / faster,
                  .threads = static_cast<double>(cluster.cores.value_or(threads())),
                  .memory_bandwidth = measure_memory_bandwidth()};
  result.alone_seconds = static_cast<double>(whole.windows_per_step * n_ctx) / plan.tokens_per_second / faster;
  result.step = plan_shared_step(config, model.layout, cluster.ranks, cluster.network, costs);
  const double all_compute = costs.compute_seconds * cluster.ranks;
  const double all_micro_batches = costs.micro_batches * cluster.ranks;
  for (int ranks = 1; ranks <= whole.windows_per_step && ranks <= kMostRanks; ranks *= 2) {
    costs.compute_seconds = all_compute / ranks;
    costs.micro_batches = std::max(1.0, std::ceil(all_micro_batches / ranks));
    result.by_ranks.push_back(plan_shared_step(config, model.layout, ranks, cluster.network, costs));
  }
  // Two estimates from products would differ by more than ranks do. Of timed steps, those of the whole step count.
  if (speeds.source == SpeedSource::matrix_products) result.alone_seconds = result.by_ranks.front().seconds;
  result.by_ranks.front().seconds = result.alone_seconds;
  for (std::size_t i = 1; i < result.by_ranks.size(); ++i) {
    if (result.by_ranks[i].seconds > kWorthwhile * result.by_ranks[i - 1].seconds) break;
    result.worthwhile = result.by_ranks[i].ranks;
  }
  return result;
}

Plan make_plan(const Config& config, const std::optional<Cluster>& cluster) {
  const LanguageModel<float> model(config.model, config.tokenizer.vocab_size);
  const BatchSizes sizes = planned_batch_sizes(config);
  Plan plan;
  plan.parameters = ParameterCounts::of(model.layout);
  plan.memory = plan_memory(config, model, sizes.windows_per_micro_batch);
  plan.available_memory = available_memory_bytes();
  check_targets(config.model.lora, model.layout);
  const ParameterLayout trained = trainable_parameters(config.train, model.layout);
  plan.flops_per_token = training_flops_per_token(config.model, model.layout, trained);
  Index saved = saved_parameters(model.layout).count();
  for (const StateLayout& slot : state_of_run(config, trained)) saved += slot.layout.count();
  plan.checkpoint_bytes = static_cast<std::uint64_t>(saved) * sizeof(float);

  const bool fits = fits_for_timing(plan.memory, plan.available_memory);
  const Contention contention;
  const std::uint64_t before = resident_memory_bytes();
  const Speeds speeds = measure_speeds(config, model, sizes, plan.memory, fits, plan.flops_per_token);
  plan.tokens_per_second = speeds.training;
  plan.speed_source = speeds.source;
  plan.waited_share = contention.waited_share();
  plan.memory.program = speeds.program_bytes.value_or(before + kLibraryBytes) + kRunBytes;
  const std::optional<TextLength> text = text_length(config);
  plan.from_sample = text && !text->exact;
  plan.evaluated_tokens = evaluated_tokens(config, text);
  plan_reference(config, speeds, text, plan);
  plan_length(config, speeds, text, plan);
  if (cluster) plan.cluster = plan_cluster(config, model, *cluster, plan);
  return plan;
}

}  // namespace kiln
