// Configures a run's length, batches and periodic actions.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/data/data_order.h"
#include "kiln/kernels/precision.h"
#include "kiln/nn/block.h"
#include "kiln/nn/lora_config.h"
#include "kiln/tensor/parameters.h"
#include "kiln/tensor/view.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

inline constexpr std::int64_t kSampleTokens = 100;  // length of a sample during training

struct TrainConfig {
  static constexpr std::int64_t kDefaultSteps = 2000;
  static constexpr double kLongestSeconds = 1e9;  // about thirty years

  std::optional<std::int64_t> steps;
  std::optional<double> epochs;
  std::optional<Duration> time_budget;
  CountOrAll batch_size{12};
  std::int64_t gradient_accumulation = 1;
  DataOrder order = DataOrder::shuffle;
  Precision precision = Precision::fp32;
  Recompute recompute = Recompute::none;
  std::int64_t eval_every = 250;
  CountOrAll eval_tokens{.automatic = true};
  std::int64_t checkpoint_every = 500;
  bool async_checkpoint = true;
  std::int64_t keep_checkpoints = 3;
  std::int64_t log_every = 10;
  std::int64_t sample_every = 0;
  bool sample_at_evaluations = false;
  std::string sample_prompt;
  std::optional<std::int64_t> early_stopping;
  double spike_threshold = 6;
  bool skip_spikes = false;
  int threads = 0;
  bool deterministic = false;
  std::int64_t max_bad_steps = 10;
  std::vector<std::string> freeze;
  bool tensorboard = true;

  /// Returns the most tokens that an evaluation scores, in windows of `n_ctx`. "auto" follows from the config alone, so
  /// that equal runs stay equal: 0.3 of the tokens trained between two evaluations, in whole windows, at least one.
  /// Full-batch descent, where every step reads the whole text, evaluates all tokens.
  std::int64_t most_evaluated_tokens(std::int64_t n_ctx) const;

  /// Returns true if checkpoints are written from a copy while training continues. Without periodic checkpoints and
  /// evaluations, none is written midway, and a copy would be of no use.
  bool copies_checkpoints() const { return async_checkpoint && (checkpoint_every > 0 || eval_every > 0); }

  /// Returns true if the run writes samples.
  bool samples() const { return sample_every > 0 || sample_at_evaluations; }

  /// Sets `steps` to its default if no length is given.
  void resolve();

  /// Adds a problem for more than one of steps, epochs and time_budget, for accumulation over batches of all, and for
  /// early stopping or samples at evaluations without evaluations.
  void validate(Problems& problems, const std::string& pointer) const;

  template <class V>
  void visit(V& v) {
    v("steps", steps, "optimizer steps; null: 2000, unless epochs or time_budget is set", at_least(1));
    v("epochs", epochs, "passes over the training windows, in place of steps; may be a fraction", positive());
    v("time_budget", time_budget,
      "wall time of training, in place of steps: the learning rate follows the clock, and the time includes the last "
      "evaluation and checkpoint",
      positive_up_to(kLongestSeconds));
    v("batch_size", batch_size,
      "windows of n_ctx tokens per micro-batch; \"all\": the whole text, full-batch gradient descent", at_least(1));
    v("gradient_accumulation", gradient_accumulation, "micro-batches per step", at_least(1));
    v("order", order,
      "order of the windows; shuffle: a new permutation each epoch; sequential: as in the text; random: drawn with "
      "replacement");
    v("precision", precision,
      "precision of activations and matrix products; bf16: master weights, norms, softmax, loss and optimizer stay in "
      "float; auto: bf16 if this processor has instructions for it (AVX512-BF16, AMX, Arm's BF16), else fp32");
    v("freeze", freeze,
      "tensors that training leaves unchanged, by their names in model.safetensors of a kiln model; * matches any "
      "text: \"wte.weight\", \"h.0.*\"");
    v("recompute", recompute,
      "activations to recompute in the backward pass instead of storing them, which saves memory and gives the same "
      "results; mlp: those inside the MLPs; block: all but the residual stream between blocks");
    v("eval_every", eval_every, "steps between evaluations of the held-out text; 0: never", non_negative());
    v("eval_tokens", eval_tokens,
      "tokens that an evaluation scores, in windows spread evenly over the held-out text, the same each time; \"all\": "
      "every token; \"auto\": at most 0.3 times the tokens trained between two evaluations",
      at_least_or_automatic(1));
    v("checkpoint_every", checkpoint_every, "steps between checkpoints; 0: only the first and the last",
      non_negative());
    v("async_checkpoint", async_checkpoint,
      "write checkpoints in the background, from a copy of weights and moments; false: training waits for the disk and "
      "needs less memory");
    v("keep_checkpoints", keep_checkpoints, "checkpoints kept besides step 0, best and latest", non_negative());
    v("log_every", log_every, "steps between log lines and rows of metrics.jsonl; 0: rows only at evaluations",
      non_negative());
    v("sample_every", sample_every, "steps between samples, in the log and TensorBoard; 0: never", non_negative());
    v("sample_at_evaluations", sample_at_evaluations,
      "print a sample at every evaluation (kiln train --watch-samples)");
    v("sample_prompt", sample_prompt, "prompt that samples continue");
    v("early_stopping", early_stopping, "stop after this many evaluations without improvement; null: never",
      at_least(1));
    v("spike_threshold", spike_threshold,
      "warn of a spike, a loss this many standard deviations above the mean of the recent losses; 0: never",
      non_negative());
    v("skip_spikes", skip_spikes, "skip the update of a step whose loss is a spike");
    v("threads", threads, "number of threads; 0: OMP_NUM_THREADS, else one per core", non_negative());
    v("deterministic", deterministic,
      "accepted for older configs: any number of threads gives the same results, to the bit");
    v("max_bad_steps", max_bad_steps,
      "stop after this many steps in a row with a NaN or infinite loss or gradient, or with a skipped spike",
      at_least(1));
    v("tensorboard", tensorboard, "write event files for TensorBoard beside metrics.jsonl");
  }
};

/// Throws Error (usage) for a target of lora.targets that names no linear layer of this model.
void check_targets(const LoraConfig& lora, const ParameterLayout& layout);

/// Returns the parameters that checkpoints hold: all, or those that train with adapters of a model that has some.
ParameterLayout saved_parameters(const ParameterLayout& layout);

/// Returns the parameters that train: saved_parameters, but those that a pattern of train.freeze names. Throws Error
/// (usage) for a pattern that names none, and if nothing is left to train.
ParameterLayout trainable_parameters(const TrainConfig& config, const ParameterLayout& layout);

}  // namespace kiln
