// Takes optimizer steps: runs micro-batches through the model, clips the gradient, updates the weights.
#pragma once

#include "kiln/core/world.h"
#include "kiln/data/batcher.h"
#include "kiln/nn/runner.h"
#include "kiln/optim/optimizer.h"
#include "kiln/optim/schedule.h"
#include "kiln/run/checkpoint.h"
#include "kiln/run/config.h"
#include "kiln/train/gradient_exchange.h"
#include "kiln/train/objective.h"
#include "kiln/train/outer_step.h"

#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace kiln {

/// Returns a config's batch sizes. `batch_size: "all"` is every window of an epoch, in micro-batches of bounded memory.
BatchSizes batch_sizes(const Config& config, Index windows_per_epoch);

/// Returns the sizes if the data is not known: takes "all" for one micro-batch of the largest size.
BatchSizes planned_batch_sizes(const Config& config);

struct StepResult {
  double loss = 0;           // nats per token, weighted mean over the scored rows of the step
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
  bool is_shared = true;  // with all ranks; false between outer steps
  bool is_scored = true;  // false if every token follows a border: there is no loss and no update
  Index examples = 0;     // drawn: windows or conversations
  Index tokens = 0;       // of these
  Measures measures = {};
  bool applied = false;  // false if loss or gradient was not finite, or the loss above the limit: no update
  double waited = 0;     // seconds, for other ranks
  int slowest = 0;       // the rank that computed longest
  double lag = 0;        // its seconds above the mean of all ranks
};

/// The position of a run: all that the next step depends on besides weights, moments and config.
struct StepPosition {
  Index step = 0;                 // steps taken, including those skipped for a bad gradient
  Index updates = 0;              // steps that updated the weights
  Index examples_drawn = 0;       // by all steps so far
  double total_steps = kEndless;  // of the run; with a time budget, an estimate
  double loss_limit = kEndless;   // a loss above it is not applied
  std::optional<double> learning_rate_multiplier = std::nullopt;  // instead of the schedule's
  bool keeps_gradients = false;                                   // all of them are needed after the step, on all ranks
  std::function<void()> agree = {};  // called on all ranks, before the weights are on their way
};

/// Returns the options of a step's runner: memory for a micro-batch of windows, or for the largest part of one if
/// `parts` share a step.
RunnerOptions training_runner(const Config& config, const BatchSizes& sizes, Index parts = 1);

/// Returns the parts that a step is shared among: distributed.leaves, or else one for each rank. Throws Error (usage)
/// if ranks cannot share the leaves.
Index parts_of_step(const Config& config, int ranks);

/// Returns true if each of several ranks keeps the optimizer's state of its share alone: if distributed.shard is on,
/// they share every step, and all parameters train.
bool shares_state(const Config& config, const ParameterLayout& trained, const ParameterLayout& all, int ranks);

/// What a part of a step adds up to.
struct StepSums {
  double loss = 0, weight = 0;
  Index tokens = 0;
  Measures measures = {};

  StepSums& operator+=(const StepSums& other);
};

/// Owns the gradients, activations and optimizer of training. The constructor allocates all memory. Ranks take a step
/// together: each computes the gradient of some parts of it, and moves its share of the weights.
class TrainStep {
 public:
  TrainStep(const TrainStep&) = delete;  // batch_runner_ refers to members
  TrainStep& operator=(const TrainStep&) = delete;

  /// `layout` must be that of a LanguageModel of this config and vocabulary; both must outlive this object. `runner` as
  /// training_runner returns it.
  TrainStep(const Config& config, const ParameterLayout& layout, Index vocab_size, const RunnerOptions& runner,
            World& world = World::alone());

  /// Takes the step after `position`, on the source's next batches. Of several ranks, each has all weights only after
  /// wait_for_weights().
  StepResult run(Weights weights, BatchSource& source, const StepPosition& position);

  /// Waits for the weights that other ranks have moved in the last step.
  void wait_for_weights() { exchange_.wait_for(std::numeric_limits<int>::max()); }

  Optimizer& optimizer() { return *optimizer_; }
  /// Returns true if each rank has the optimizer's state of its share alone.
  bool is_sharded() const { return is_sharded_; }
  /// Returns the parameters that train, and what the step keeps of them.
  const ParameterLayout& trainable() const { return trainable_; }
  std::vector<StateLayout> whole_state() const { return state_of_run(config_, trainable_); }
  /// Returns this rank's state for checkpoints: the optimizer's, and with local steps that of the outer one.
  std::vector<OptimizerSlot> slots();
  /// Returns the state of all ranks; null unless is_sharded().
  std::unique_ptr<SharedState> shared_state();
  /// Returns the last step's gradients, a sum over its scored rows; times gradient_scale() those of its mean loss. Of
  /// several ranks that share the optimizer, each has its share alone, unless the step kept all.
  const ParameterBuffer<float>& gradients() const { return gradients_; }
  double gradient_scale() const { return gradient_scale_; }

 private:
  StepSums add_up_gradients(Weights weights, BatchSource& source, const StepPosition& position, StepResult& result);
  StepSums run_part(Weights weights, BatchSource& source, std::span<const ExampleRange> part,
                    std::optional<Kept> sends);
  void update(Weights weights, const StepPosition& position, const StepSums& sums, double multiplier,
              StepResult& result);
  void add_to_other_parts(Index i);
  StepSums add_up_local(Weights weights, BatchSource& source, const StepPosition& position, StepResult& result);
  bool is_outer(const StepPosition& position) const;

  const Config& config_;
  World& world_;
  ParameterLayout trainable_;
  Index parts_;      // of a step
  bool is_sharded_;  // each rank has the optimizer's state of its share alone
  Partition partition_;
  ParameterLayout share_;
  Gradients<float> gradients_;
  std::vector<Gradients<float>> halves_;  // sums of parts that wait for as many others, the largest first
  GradientNorm norm_;
  GradientExchange exchange_;
  std::optional<OuterStep> outer_;  // with local steps
  bool has_set_out_ = false;        // from weights that the outer step knows
  std::unique_ptr<Optimizer> optimizer_;
  double gradient_scale_ = 1;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Runner<float>> runner_;
  BatchRunner<float> batch_runner_;
  Batch batch_;
};

}  // namespace kiln
