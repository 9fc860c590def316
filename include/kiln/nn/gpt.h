// The trunk: tokens in, hidden states out, and the way back.
#pragma once

#include "kiln/nn/block.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace kiln {

/// How much of a forward is kept: for a backward all of it, all but the MLPs' insides, or only the stream between the
/// blocks, what is not kept being computed again (arXiv:1604.06174); or, in inference, nothing.
enum class Keep { all, all_but_mlps, stream, nothing };

/// Views of everything that a forward writes and a backward reads, for B sequences of `length` tokens. N = B*length.
template <class T>
struct GptActivations {
  Index B, length;
  Keep keep;
  std::vector<Mat<T>> stream;  // L+1 times (N, C): before and behind each block; what is not kept shares its memory
  std::vector<BlockActivations<T>> blocks;
  NormStatistics<T> final_statistics;
  Mat<T> hidden;            // (N, C): what the heads read and write its gradient to; the backward goes down in it
  BlockScratch<T> scratch;  // for a backward only
};

/// All layers' keys and values, and how many positions they hold.
template <class T>
struct KeyValueCache {
  std::vector<KeyValues<T>> layers;
  Index past = 0;
};

/// A decoder-only transformer without its head (arXiv:1706.03762, pre-norm as in GPT-2). It is stateless: weights,
/// activations and gradients belong to the caller.
template <class T>
class Gpt {
 public:
  /// Registers the trunk's parameters in the layout. The config must be valid.
  Gpt(const ModelConfig& config, Index vocab_size, ParameterLayout& layout);

  const ModelConfig& config() const { return config_; }
  ParameterId token_embedding() const { return token_embedding_; }

  /// Views for B sequences of `length` tokens, length <= n_ctx. Runs the same on a counting arena.
  GptActivations<T> lay_out(Arena& arena, Index B, Index length, Keep keep) const;

  /// Fills activations.hidden from tokens (B*T), each in [0, V). With a cache the tokens stand at positions
  /// past .. past+T-1 <= n_ctx of their sequences, and past grows by T.
  void forward(const ParameterBuffer<T>& weights, std::span<const std::int32_t> tokens, const StepContext& context,
               GptActivations<T>& activations, KeyValueCache<T>* cache = nullptr) const;

  /// Takes the gradient in activations.hidden down to the embeddings; parameter gradients accumulate. All else in the
  /// activations is what forward left, with any Keep but nothing, and tokens and context are the same.
  void backward(const ParameterBuffer<T>& weights, std::span<const std::int32_t> tokens, const StepContext& context,
                GptActivations<T>& activations, Gradients<Acc<T>>& gradients) const;

 private:
  /// Computes again what of block i's activations was not kept.
  void recompute(const BlockContext<T>& context, GptActivations<T>& activations, std::size_t i) const;

  const PositionTables<T>& positions() const;

  ModelConfig config_;
  mutable std::optional<PositionTables<T>> positions_;  // made by the first forward: models to be counted need none
  ParameterId token_embedding_, position_embedding_;
  std::vector<Block> blocks_;
  Norm final_norm_;
};

}  // namespace kiln
