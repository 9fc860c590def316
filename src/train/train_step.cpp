// Takes one optimizer step: batcher, forward, backward, clipping, update.
#include "kiln/train/train_step.h"

#include "kiln/core/profile.h"
#include "kiln/optim/clip.h"

#include <algorithm>
#include <cmath>
#include <limits>

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

RunnerOptions training_runner(const Config& config, const BatchSizes& sizes) {
  const Index rows = sizes.windows_per_micro_batch * config.model.n_ctx;
  return {.rows = rows, .scored = rows, .backward = config.train.recompute};
}

TrainStep::TrainStep(const Config& config, const ParameterLayout& layout, Index vocab_size, const RunnerOptions& runner)
    : config_(config),
      trainable_(trainable_parameters(config.train, layout)),
      gradients_(trainable_),
      optimizer_(make_optimizer(config.optimizer, trainable_)),
      objective_(make_objective(config.objective, config.policy)),
      runner_(make_runner(config.model, vocab_size, config.train.precision, runner)),
      batch_runner_(*runner_, *objective_) {}

StepResult TrainStep::run(Weights weights, BatchSource& source, const StepPosition& position) {
  const double multiplier = position.learning_rate_multiplier.value_or(
      schedule_multiplier(config_.schedule, position.step, position.total_steps));
  StepResult result{.learning_rate = config_.optimizer.learning_rate * multiplier};
  gradients_.clear();
  double weight = 0;
  const auto fill = [&](Index micro_batch) {
    const Timed timed("data");
    return source.fill(position.examples_drawn + result.examples, micro_batch, batch_);
  };
  Index micro_batch = 0;
  for (Index examples; (examples = fill(micro_batch)) > 0; ++micro_batch) {
    result.loss += batch_runner_.backward(weights, batch_, {.training = true, .seed = config_.seed}, gradients_);
    weight += objective_->weight(batch_);
    objective_->measure(batch_, batch_runner_.outputs(), result.measures);
    result.examples += examples;
    for (const Sequence& sequence : batch_.rows.sequences) result.tokens += sequence.length;
  }
  const Timed timed("optimizer");
  gradients_.finish();
  result.is_scored = weight > 0;
  if (!result.is_scored) return result;
  gradient_scale_ = 1 / weight;  // the one division: losses and gradients are sums up to here
  result.loss *= gradient_scale_;
  result.gradient_norm = global_norm(gradients_) * gradient_scale_;
  result.applied =
      std::isfinite(result.loss) && std::isfinite(result.gradient_norm) && result.loss <= position.loss_limit;
  if (result.applied) {
    optimizer_->step(weights, gradients_,
                     {.learning_rate_multiplier = multiplier,
                      .gradient_scale = gradient_scale_ * clip_scale(result.gradient_norm, config_.optimizer.clip_norm),
                      .step = position.updates});
  }
  return result;
}

}  // namespace kiln
