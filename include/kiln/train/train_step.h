// Takes optimizer steps: runs micro-batches through the model, clips the gradient, updates the weights.
#pragma once

#include "kiln/data/batcher.h"
#include "kiln/nn/runner.h"
#include "kiln/optim/optimizer.h"
#include "kiln/optim/schedule.h"
#include "kiln/run/config.h"
#include "kiln/train/objective.h"

#include <memory>
#include <optional>

namespace kiln {

/// Returns a config's batch sizes. `batch_size: "all"` is every window of an epoch, in micro-batches of bounded memory.
BatchSizes batch_sizes(const Config& config, Index windows_per_epoch);

/// Returns the sizes if the data is not known: takes "all" for one micro-batch of the largest size.
BatchSizes planned_batch_sizes(const Config& config);

struct StepResult {
  double loss = 0;           // nats per token, weighted mean over the scored rows of the step
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
  bool is_scored = true;  // false if every token follows a border: there is no loss and no update
  Index examples = 0;     // drawn: windows or conversations
  Index tokens = 0;       // of these
  Measures measures = {};
  bool applied = false;  // false if loss or gradient was not finite, or the loss above the limit: no update
};

/// The position of a run: all that the next step depends on besides weights, moments and config.
struct StepPosition {
  Index step = 0;                 // steps taken, including those skipped for a bad gradient
  Index updates = 0;              // steps that updated the weights
  Index examples_drawn = 0;       // by all steps so far
  double total_steps = kEndless;  // of the run; with a time budget, an estimate
  double loss_limit = kEndless;   // a loss above it is not applied
  std::optional<double> learning_rate_multiplier = std::nullopt;  // instead of the schedule's
};

/// Returns the options of a step's runner: memory for a micro-batch of windows.
RunnerOptions training_runner(const Config& config, const BatchSizes& sizes);

/// Owns the gradients, activations and optimizer of training. The constructor allocates all memory.
class TrainStep {
 public:
  TrainStep(const TrainStep&) = delete;  // batch_runner_ refers to members
  TrainStep& operator=(const TrainStep&) = delete;

  /// `layout` must be that of a LanguageModel of this config and vocabulary; both must outlive this object. `runner` as
  /// training_runner returns it.
  TrainStep(const Config& config, const ParameterLayout& layout, Index vocab_size, const RunnerOptions& runner);

  /// Takes the step after `position`, on the source's next batches.
  StepResult run(Weights weights, BatchSource& source, const StepPosition& position);

  Optimizer& optimizer() { return *optimizer_; }
  /// Returns the last step's gradients, a sum over its scored rows; times gradient_scale() those of its mean loss.
  const ParameterBuffer<float>& gradients() const { return gradients_; }
  double gradient_scale() const { return gradient_scale_; }

 private:
  const Config& config_;
  ParameterLayout trainable_;
  Gradients<float> gradients_;
  std::unique_ptr<Optimizer> optimizer_;
  double gradient_scale_ = 1;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Runner<float>> runner_;
  BatchRunner<float> batch_runner_;
  Batch batch_;
};

}  // namespace kiln
