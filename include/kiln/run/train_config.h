// How long a run lasts, how it is batched, and what happens every so often.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/data/data_order.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

/// What activations and matrix products are kept in.
enum class Precision { fp32 };
inline constexpr std::array<std::string_view, 1> kPrecisions{"fp32"};
inline std::span<const std::string_view> names_of(Precision) { return kPrecisions; }

struct TrainConfig {
  static constexpr std::int64_t kDefaultSteps = 2000;

  std::optional<std::int64_t> steps;
  std::optional<double> epochs;
  CountOrAll batch_size{12};
  std::int64_t gradient_accumulation = 1;
  DataOrder order = DataOrder::shuffle;
  Precision precision = Precision::fp32;
  std::int64_t eval_every = 250;
  std::int64_t checkpoint_every = 500;
  std::int64_t keep_checkpoints = 3;
  std::int64_t log_every = 10;
  std::int64_t sample_every = 0;
  std::optional<std::int64_t> early_stopping;
  int threads = 0;
  std::int64_t max_bad_steps = 10;

  /// Puts the default into `steps` where neither steps nor epochs are given; with epochs, steps stay null.
  void resolve();

  /// Adds a problem where steps and epochs are both given, for accumulation over batches of all, and for early stopping
  /// without evaluations.
  void validate(Problems& problems, const std::string& pointer) const;

  template <class V>
  void visit(V& v) {
    v("steps", steps, "steps of the optimizer; null: 2000, or what epochs come to", at_least(1));
    v("epochs", epochs, "passes over the training windows, in place of steps; may be a fraction", positive());
    v("batch_size", batch_size, "windows of n_ctx tokens a micro-batch; \"all\": every one, full-batch descent",
      at_least(1));
    v("gradient_accumulation", gradient_accumulation, "micro-batches a step", at_least(1));
    v("order", order, "shuffle: each epoch a seeded permutation; sequential: as they lie; random: with replacement");
    v("precision", precision, "of activations and matrix products");
    v("eval_every", eval_every, "steps between evaluations of the held-out text; 0: never", non_negative());
    v("checkpoint_every", checkpoint_every, "steps between checkpoints; 0: the first and last alone", non_negative());
    v("keep_checkpoints", keep_checkpoints, "checkpoints kept besides step 0, best and latest", non_negative());
    v("log_every", log_every, "steps between log lines and rows of metrics.jsonl; 0: never", non_negative());
    v("sample_every", sample_every, "steps between samples in the log; 0: never", non_negative());
    v("early_stopping", early_stopping, "evaluations without improvement after which training ends; null: never",
      at_least(1));
    v("threads", threads, "0: one for every core", non_negative());
    v("max_bad_steps", max_bad_steps, "steps in a row with a loss or gradient of NaN or infinity before giving up",
      at_least(1));
  }
};

}  // namespace kiln
