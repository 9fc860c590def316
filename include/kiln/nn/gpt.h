// The trunk: tokens in, hidden states out, and the way back.
#pragma once

#include "kiln/nn/block.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kiln {

/// Whether every block's activations are kept for a backward, or all blocks share one set.
enum class Keep { all, one };

/// Views of everything that a forward writes and a backward reads, for B sequences of T tokens. N = B*T.
template <class T>
struct GptActivations {
  Index B, T_;
  Mat<T> embedded;  // (N, C)
  std::vector<BlockActivations<T>> blocks;
  NormStatistics<T> final_statistics;
  Mat<T> hidden;            // (N, C): what the heads read
  BlockScratch<T> scratch;  // Keep::all only
  Mat<T> d_hidden;          // (N, C): what the heads write; the backward goes down in it. Keep::all only
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

  /// Takes activations.d_hidden down to the embeddings; parameter gradients accumulate. The activations are those that
  /// forward left, with Keep::all and the same tokens and context.
  void backward(const ParameterBuffer<T>& weights, std::span<const std::int32_t> tokens, const StepContext& context,
                GptActivations<T>& activations, ParameterBuffer<Acc<T>>& gradients) const;

 private:
  ModelConfig config_;
  PositionTables<T> positions_;
  ParameterId token_embedding_, position_embedding_;
  std::vector<Block> blocks_;
  Norm final_norm_;
};

}  // namespace kiln
