// One optimizer step: micro-batches through the model, clipping, the update.
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

/// How many windows a step sees, and how many of them go through the model at a time.
struct BatchSizes {
  Index windows_per_step;
  Index windows_per_micro_batch;  // the last micro-batch of a step may be smaller

  /// `batch_size: "all"` is every window of an epoch, in micro-batches that bound the memory.
  static BatchSizes of(const Config& config, Index windows_per_epoch);

  /// Where the data is not known: "all" is then taken for one micro-batch, as large as there may be.
  static BatchSizes planned(const Config& config);
};

struct StepResult {
  double loss = 0;           // nats a token, averaged over every scored row of the step by its weight
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
  bool is_scored = true;  // false if every token follows a border: there is no loss, and nothing is applied
  bool applied = false;   // false where loss or gradient was not finite or above the limit: nothing is then touched
};

/// Where a run stands: all that the next step depends on besides weights, moments and the config.
struct StepPosition {
  Index step = 0;                 // steps taken; those that were skipped for a bad gradient count
  Index updates = 0;              // steps that moved the weights
  Index windows_drawn = 0;        // by all steps so far
  double total_steps = kEndless;  // of the run; where the clock ends it, as many as it seems from here
  double loss_limit = kEndless;   // of a loss above it no update is made
  std::optional<double> learning_rate_multiplier = std::nullopt;  // in place of the schedule's
};

/// Returns what a step's runner is made for: memory for a micro-batch of windows.
RunnerOptions training_runner(const Config& config, const BatchSizes& sizes);

/// The model's gradients, activations and optimizer, and how a step uses them. All memory is taken at construction.
class Stepper {
 public:
  Stepper(const Stepper&) = delete;  // batch_runner_ refers to members
  Stepper& operator=(const Stepper&) = delete;

  /// `layout` is that of a LanguageModel of this config and vocabulary; it must outlive the stepper.
  Stepper(const Config& config, const ParameterLayout& layout, Index vocab_size, BatchSizes sizes);

  /// Takes the step after `position`, on the batcher's next windows_per_step windows.
  StepResult run(Weights weights, Batcher& batcher, const StepPosition& position);

  Optimizer& optimizer() { return *optimizer_; }
  /// The last step's gradients, a sum over its scored rows; times gradient_scale() they are of its mean loss.
  const ParameterBuffer<float>& gradients() const { return gradients_; }
  double gradient_scale() const { return gradient_scale_; }
  const BatchSizes& sizes() const { return sizes_; }

 private:
  const Config& config_;
  BatchSizes sizes_;
  ParameterLayout trainable_;
  Gradients<float> gradients_;
  std::unique_ptr<Optimizer> optimizer_;
  double gradient_scale_ = 1;
  NextToken objective_;
  std::unique_ptr<Runner<float>> runner_;
  BatchRunner<float> batch_runner_;
  Batch batch_;
};

}  // namespace kiln
