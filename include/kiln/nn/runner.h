// A model in one precision, with memory for N rows: the one way to run a model.
#pragma once

#include "kiln/kernels/precision.h"
#include "kiln/nn/heads.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

namespace kiln {

/// What a runner's memory is for.
struct RunnerOptions {
  Index rows = 1;                                    // most rows of a forward
  Index scored = 0;                                  // most rows that score and backward take
  std::optional<Recompute> backward = std::nullopt;  // what a backward recomputes; null: none follows a forward
  Index slots = 0;                                   // sequences that the key/value cache holds; 0: no cache
  Index slot_size = 0;                               // positions that each of them can take, at most n_ctx
};

/// Runs a model forward and backward. Training, evaluation, generation, inspection and the gradient check all use it.
/// A is the type of scores and gradients: float for models in float and bfloat16, double for models in double. The
/// constructor allocates all activations. A runner is for one thread at a time; the weights may be shared.
template <class A>
class Runner {
 public:
  Runner() = default;
  virtual ~Runner() = default;
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  virtual const ModelConfig& config() const = 0;
  virtual Index vocab_size() const = 0;

  /// Computes the hidden states of up to options.rows rows. With a cache, the keys and values of each sequence follow
  /// the `past` earlier ones in its slot, and are added to it; without one, pasts are 0. Throws Error (failure) for
  /// more than there is memory for. The functions below refer to the last forward; its weights and rows must outlive
  /// these calls, unchanged.
  virtual void forward(Weights weights, const TokenRows& rows, const StepContext& step = {}) = 0;

  /// Writes the scores of all tokens to follow the chosen rows, which ascend.   rows (M), logits (M, V).
  virtual void logits(std::span<const Index> rows, Mat<A> logits) = 0;

  /// Writes -log p of each target in nats, and the likeliest token (or nothing into an empty span).   losses, best (M).
  virtual void score(const Scored& scored, Vec<A> losses, std::span<std::int32_t> best = {}) = 0;

  /// Writes the losses as `score` does and adds the gradient of sum_m d_losses[m] * losses[m] with respect to every
  /// parameter. Once a forward.   d_losses, losses (M).
  virtual void backward(const Scored& scored, ConstVec<A> d_losses, Vec<A> losses, Gradients<A>& gradients) = 0;

  /// Copies the first `positions` keys and values of slot `from` to slot `to`.
  virtual void copy_slot(Index from, Index to, Index positions) = 0;
};

/// Makes a runner that computes in T: float, bfloat16 or double. The layout of its parameters is that of a
/// LanguageModel of the same config and vocabulary. Throws Error (usage) where the memory cannot be had.
template <class T>
std::unique_ptr<Runner<Acc<T>>> make_runner(const ModelConfig& config, Index vocab_size, const RunnerOptions& options);
std::unique_ptr<Runner<float>> make_runner(const ModelConfig& config, Index vocab_size, Precision precision,
                                           const RunnerOptions& options);

/// Returns the bytes that such a runner takes, without taking them: activations, cache, position tables and, where a
/// backward follows, what kernels keep for each thread.
std::size_t runner_bytes(const ModelConfig& config, Index vocab_size, Precision precision,
                         const RunnerOptions& options);

}  // namespace kiln
