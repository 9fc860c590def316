// One optimizer step: micro-batches through the model, clipping, the update.
#pragma once

#include "kiln/data/batcher.h"
#include "kiln/nn/language_model.h"
#include "kiln/optim/optimizer.h"
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
};

struct StepResult {
  double loss = 0;           // nats a token, averaged over every position of every window of the step
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
  bool applied = false;  // false where loss or gradient was not finite: weights and moments are then untouched
};

/// Where a run stands: all that the next step depends on besides weights, moments and the config.
struct StepPosition {
  Index step = 0;           // steps taken; those that were skipped for a bad gradient count
  Index updates = 0;        // steps that moved the weights
  Index windows_drawn = 0;  // by all steps so far
};

/// The model's gradients, activations and optimizer, and how a step uses them. All memory is taken at construction.
class Stepper {
 public:
  Stepper(const Config& config, const LanguageModel<float>& model, BatchSizes sizes, Index total_steps);

  /// The step after `position`, on the batcher's next windows_per_step windows.
  StepResult run(ParameterBuffer<float>& weights, Batcher& batcher, const StepPosition& position);

  Optimizer& optimizer() { return *optimizer_; }
  const ParameterBuffer<float>& gradients() const { return gradients_; }
  const BatchSizes& sizes() const { return sizes_; }

  /// Bytes of activations for micro-batches of that many windows, without taking them.
  static std::size_t activation_bytes(const LanguageModel<float>& model, Index windows);

 private:
  /// Views for a micro-batch of B windows, laid out anew where the last one had another size.
  GptActivations<float>& activations_for(Index B);

  const Config& config_;
  const LanguageModel<float>& model_;
  BatchSizes sizes_;
  Index total_steps_;
  ParameterBuffer<float> gradients_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Objective> objective_;
  Arena arena_;
  std::optional<GptActivations<float>> activations_;
  Batch batch_;
};

}  // namespace kiln
