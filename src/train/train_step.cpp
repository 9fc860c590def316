// Takes one optimizer step: batcher, forward, backward, clipping, update.
#include "kiln/train/train_step.h"

#include "kiln/core/error.h"
#include "kiln/core/profile.h"
#include "kiln/core/stopwatch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

namespace kiln {
namespace {

constexpr Index kFullBatchTokens = 16384;  // a micro-batch of batch_size "all"

}  // namespace

BatchSizes batch_sizes(const Config& config, Index windows_per_epoch) {
  const TrainConfig& train = config.train;
  if (train.batch_size.all) {
    const Index at_a_time = std::max<Index>(1, kFullBatchTokens / config.model.n_ctx);
    return {windows_per_epoch, std::min(windows_per_epoch, at_a_time)};
  }
  return {train.batch_size.count * train.gradient_accumulation, train.batch_size.count};
}

BatchSizes planned_batch_sizes(const Config& config) {
  const BatchSizes endless = batch_sizes(config, std::numeric_limits<Index>::max());
  return config.train.batch_size.all ? BatchSizes{endless.windows_per_micro_batch, endless.windows_per_micro_batch}
                                     : endless;
}

RunnerOptions training_runner(const Config& config, const BatchSizes& sizes, Index parts) {
  const Index whole = sizes.windows_per_micro_batch;
  const Index micro_batches = (sizes.windows_per_step + whole - 1) / whole;
  const Index cuts = std::max<Index>(1, parts / micro_batches);  // of a micro-batch, at least
  const Index rows = (whole + cuts - 1) / cuts * config.model.n_ctx;
  return {.rows = rows, .scored = rows, .backward = config.train.recompute};
}

bool shares_state(const Config& config, const ParameterLayout& trained, const ParameterLayout& all, int ranks) {
  return ranks > 1 && config.distributed.shard && !config.distributed.is_local() && trained.extent() == all.extent();
}

Index parts_of_step(const Config& config, int ranks) {
  const std::optional<std::int64_t>& leaves = config.distributed.leaves;
  if (!leaves) return ranks;
  check(*leaves % ranks == 0,
        "distributed.leaves is {}, which {} ranks cannot share equally: start a power of two of them, at most {}",
        *leaves, ranks, *leaves);
  return *leaves;
}

StepSums& StepSums::operator+=(const StepSums& other) {
  loss += other.loss;
  weight += other.weight;
  tokens += other.tokens;
  measures.preferences.add(other.measures.preferences);
  measures.policy.add(other.measures.policy);
  return *this;
}

TrainStep::TrainStep(const Config& config, const ParameterLayout& layout, Index vocab_size, const RunnerOptions& runner,
                     World& world)
    : config_(config),
      world_(world),
      trainable_(trainable_parameters(config.train, layout)),
      parts_(parts_of_step(config, world.size())),
      is_sharded_(shares_state(config, trainable_, layout, world.size())),
      partition_(trainable_, world.size(), may_be_cut(config.optimizer)),
      share_(is_sharded_ ? partition_.share(world.rank()) : trainable_),
      gradients_(trainable_),
      norm_(trainable_),
      exchange_(world, partition_, gradients_, norm_),
      optimizer_(make_optimizer(config.optimizer, share_)),
      objective_(make_objective(config.objective, config.policy)),
      runner_(make_runner(config.model, vocab_size, config.train.precision, runner)),
      batch_runner_(*runner_, *objective_) {
  if (config.distributed.is_local()) outer_.emplace(config.distributed, world, trainable_);
  for (Index parts = parts_ / world.size(); parts > 1; parts = (parts + 1) / 2) halves_.emplace_back(trainable_);
}

std::vector<OptimizerSlot> TrainStep::slots() {
  std::vector<OptimizerSlot> slots = optimizer_->slots();
  if (outer_) slots.push_back(outer_->slot());
  return slots;
}

std::unique_ptr<SharedState> TrainStep::shared_state() {
  if (!is_sharded_) return nullptr;
  std::vector<std::vector<StateLayout>> shares;
  for (int rank = 0; rank < world_.size(); ++rank)
    shares.push_back(state_layouts(config_.optimizer, partition_.share(rank)));
  return std::make_unique<SharedState>(world_, optimizer_->slots(), whole_state(), std::move(shares));
}

StepResult TrainStep::run(Weights weights, BatchSource& source, const StepPosition& position) {
  const double multiplier = position.learning_rate_multiplier.value_or(
      schedule_multiplier(config_.schedule, position.step, position.total_steps));
  StepResult result{.learning_rate = config_.optimizer.learning_rate * multiplier,
                    .is_shared = !outer_ || is_outer(position)};
  if (outer_ && !std::exchange(has_set_out_, true)) outer_->begin(weights);
  const StepSums sums =
      outer_ ? add_up_local(weights, source, position, result) : add_up_gradients(weights, source, position, result);
  if (position.agree && result.is_shared) position.agree();
  update(weights, position, sums, multiplier, result);
  if (result.applied && is_sharded_) exchange_.share_weights(weights);
  if (outer_ && result.is_shared) result.waited += outer_->step(weights);
  return result;
}

/// Updates the rank's share of the weights, unless the step has no finite gradient.
void TrainStep::update(Weights weights, const StepPosition& position, const StepSums& sums, double multiplier,
                       StepResult& result) {
  result.tokens = sums.tokens;
  result.measures = sums.measures;
  result.is_scored = sums.weight > 0;
  if (!result.is_scored) return;
  gradient_scale_ = 1 / sums.weight;  // the one division: losses and gradients are sums up to here
  result.loss = sums.loss * gradient_scale_;
  result.gradient_norm = norm_.value() * gradient_scale_;
  result.applied =
      std::isfinite(result.loss) && std::isfinite(result.gradient_norm) && result.loss <= position.loss_limit;
  if (!result.applied) return;
  const Timed timed("optimizer");
  optimizer_->step(weights, gradients_,
                   {.learning_rate_multiplier = multiplier,
                    .gradient_scale = gradient_scale_ * clip_scale(result.gradient_norm, config_.optimizer.clip_norm),
                    .step = position.updates});
}

/// Computes the gradient of the step, and returns what it adds up to. Of the result, sets the number of examples and
/// what ranks waited.
StepSums TrainStep::add_up_gradients(Weights weights, BatchSource& source, const StepPosition& position,
                                     StepResult& result) {
  const Stopwatch stopwatch;
  exchange_.take_waited();  // before this step, by an evaluation or a save
  const std::vector<ExampleRange> step = micro_batches_of_step(source, position.examples_drawn);
  for (const ExampleRange& micro_batch : step) result.examples += micro_batch.count;
  const Kept kept = is_sharded_ && !position.keeps_gradients ? Kept::share : Kept::all;
  const Index own = parts_ / world_.size();
  std::vector<StepSums> sums;
  for (Index i = 0; i < own; ++i) {
    const std::vector<ExampleRange> part = part_of_step(step, world_.rank() * own + i, parts_);
    sums.push_back(run_part(weights, source, part, own == 1 ? std::optional(kept) : std::nullopt));
    add_to_other_parts(i);
  }
  if (own > 1) exchange_.begin(kept);
  wait_for_weights();  // those of a rank without an example of the step
  const double waited = exchange_.take_waited(), computed = stopwatch.seconds() - waited;
  result.waited = waited + exchange_.finish();
  const std::vector<double> seconds = world_.gather(computed);
  const auto longest = std::ranges::max_element(seconds);
  result.slowest = static_cast<int>(longest - seconds.begin());
  result.lag = *longest - std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(world_.size());
  return tree_sum(world_.gather(std::span<const StepSums>(sums)));
}

/// Computes the gradient of the rank's part of the step alone.
StepSums TrainStep::add_up_local(Weights weights, BatchSource& source, const StepPosition& position,
                                 StepResult& result) {
  const std::vector<ExampleRange> step = micro_batches_of_step(source, position.examples_drawn);
  for (const ExampleRange& micro_batch : step) result.examples += micro_batch.count;
  StepSums sums = run_part(weights, source, part_of_step(step, world_.rank(), parts_), std::nullopt);
  norm_.add(gradients_, 0, norm_.chunks());
  sums.tokens *= world_.size();  // about what all ranks have read
  return sums;
}

/// Returns true if ranks come together after this step.
bool TrainStep::is_outer(const StepPosition& position) const {
  const bool is_last = static_cast<double>(position.step + 1) >= position.total_steps;
  return (position.step + 1) % config_.distributed.local_steps == 0 || is_last;
}

/// Computes the gradient of a part of a step. With `sends`, sends it during the last backward.
StepSums TrainStep::run_part(Weights weights, BatchSource& source, std::span<const ExampleRange> part,
                             std::optional<Kept> sends) {
  StepSums sums;
  gradients_.clear();
  for (const ExampleRange& micro_batch : part) {
    if (sends && &micro_batch == &part.back()) exchange_.begin(*sends);
    if (micro_batch.count == 0) continue;
    {
      const Timed timed("data");
      source.fill(micro_batch.first, micro_batch.count, batch_);
    }
    sums.loss += batch_runner_.backward(weights.arriving(exchange_), batch_, {.training = true, .seed = config_.seed},
                                        gradients_);
    sums.weight += objective_->weight(batch_);
    objective_->measure(batch_, batch_runner_.outputs(), sums.measures);
    for (const Sequence& sequence : batch_.rows.sequences) sums.tokens += sequence.length;
  }
  gradients_.finish();
  return sums;
}

/// Adds the gradients of the rank's part `i`, just computed, to those of the parts before it, as tree_sum does: pairs
/// of neighbours first. Afterwards `gradients_` holds the sum of the largest finished subtree.
void TrainStep::add_to_other_parts(Index i) {
  const Index own = parts_ / world_.size();
  std::size_t waiting = static_cast<std::size_t>(std::popcount(static_cast<std::uint64_t>(i)));
  for (Index level = i; level % 2 == 1; level /= 2) gradients_.all() += halves_[--waiting].all();
  if (i + 1 < own) std::swap(gradients_, halves_[waiting]);
}

}  // namespace kiln
