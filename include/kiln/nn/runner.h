// Runs a model in one precision, with memory for N rows.
#pragma once

#include "kiln/kernels/precision.h"
#include "kiln/nn/heads.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

namespace kiln {

/// Sizes of a runner's memory.
struct RunnerOptions {
  Index rows = 1;                                    // of a forward, at most
  Index scored = 0;                                  // rows of a score or backward, at most
  std::optional<Recompute> backward = std::nullopt;  // what the backward recomputes; null: no backward
  Index slots = 0;                                   // sequences in the key/value cache; 0: no cache
  Index slot_size = 0;                               // positions of each; a longer sequence also takes the slots after
};

/// Runs a model forward and backward. Training, evaluation, generation, inspection and the gradient check all use it.
/// A is the type of scores and gradients: float for models in float and bfloat16, double for models in double. The
/// constructor allocates all activations. Only one thread at a time may use a runner; runners may share weights.
template <class A>
class Runner {
 public:
  Runner() = default;
  virtual ~Runner() = default;
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  virtual const ModelConfig& config() const = 0;
  virtual Index vocab_size() const = 0;

  /// Computes the hidden states of up to options.rows rows. With a cache, appends the keys and values of each sequence
  /// to the `past` earlier ones from its slot on; without one, pasts must be 0. Throws Error (failure) if the rows or
  /// positions exceed the memory. The functions below refer to the last forward; its weights and rows must stay
  /// unchanged until the last such call.
  virtual void forward(Weights weights, const TokenRows& rows, const StepContext& step = {}) = 0;

  /// Writes the next token's logits for the chosen rows.   rows (M), ascending; logits (M, V). Not for reward models.
  virtual void logits(std::span<const Index> rows, Mat<A> logits) = 0;

  /// Writes one output for each scored row. A language model's is -log p of the row's target in nats; unless `best` is
  /// empty, the likeliest token is written there. A reward model's is the score of the text up to the row; it reads no
  /// targets, and `best` must be empty. A model with a value head has both, first all of the former, then all values:
  /// its outputs are twice as many.   outputs (M) or (2M); best (M).
  virtual void score(const Scored& scored, Vec<A> outputs, std::span<std::int32_t> best = {}) = 0;

  /// Writes the outputs as `score` does and adds the gradient of sum_m d_outputs[m] * outputs[m] with respect to every
  /// parameter. May be called once per forward.   d_outputs, outputs (M) or (2M).
  virtual void backward(const Scored& scored, ConstVec<A> d_outputs, Vec<A> outputs, Gradients<A>& gradients) = 0;

  /// Makes logits() and score() read the stream before block `layer`, as if the model ended there (the logit lens, see
  /// Gpt::end_at). n_layers: the whole model, as a forward leaves it and a backward needs it. Needs options.backward,
  /// with which the stream is kept.
  virtual void end_at(Index layer) = 0;

  /// Writes the attention of one head in one layer: p(i, j) is what row i takes of the value of row j, 0 where i does
  /// not attend to j.   p (N, N). Needs options.backward of none or mlp, with which queries and keys are kept, and no
  /// cache.
  virtual void attention(Index layer, Index head, Mat<A> p) = 0;

  /// Copies `positions` keys and values from slot `from` on to slot `to`.
  virtual void copy_slot(Index from, Index to, Index positions) = 0;
};

/// Returns a runner that computes in T: float, bfloat16 or double. Its parameter layout is that of a LanguageModel of
/// the same config and vocabulary. Throws Error (usage) if the memory cannot be allocated.
template <class T>
std::unique_ptr<Runner<Acc<T>>> make_runner(const ModelConfig& config, Index vocab_size, const RunnerOptions& options);
std::unique_ptr<Runner<float>> make_runner(const ModelConfig& config, Index vocab_size, Precision precision,
                                           const RunnerOptions& options);

/// Returns the bytes of such a runner without allocating them: activations, cache, position tables and, with a
/// backward, the kernels' scratch for each thread.
std::size_t runner_bytes(const ModelConfig& config, Index vocab_size, Precision precision,
                         const RunnerOptions& options);

}  // namespace kiln
