// The trunk: tokens in, hidden states out, and the way back.
#pragma once

#include "kiln/nn/block.h"

#include <optional>
#include <span>
#include <vector>

namespace kiln {

/// Views of everything that a forward writes and a backward reads. N rows.
template <class T>
struct GptActivations {
  Index N;
  std::optional<Recompute> backward;  // what the backward recomputes; null where none follows
  std::vector<Mat<T>> stream;         // L+1 times (N, C): before and after each block; what is not kept shares memory
  std::vector<typename Block<T>::Activations> blocks;
  NormStatistics<T> final_statistics;
  Mat<T> hidden;    // (N, C): the final hidden states, which the heads read
  Mat<T> d_hidden;  // (N, C): their gradient, which the heads write; also the heads' memory for chosen rows
  std::optional<typename Block<T>::Scratch> scratch;  // for a backward
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

  /// Lays out views for N rows. `backward` says what a backward recomputes, or that none follows (null). Works on a
  /// counting arena too.
  GptActivations<T> lay_out(Arena& arena, Index N, std::optional<Recompute> backward) const;

  /// Writes activations.hidden from the context's rows, of which there are activations.N. `cache` has each layer's keys
  /// and values, or is empty.
  void forward(const ForwardContext<T>& context, GptActivations<T>& activations,
               std::span<KeyValues<T>> cache = {}) const;

  /// Takes the gradient in activations.d_hidden down to the embeddings; parameter gradients accumulate. Everything else
  /// in the activations, and the context, is the forward's. Pasts are 0.
  void backward(const ForwardContext<T>& context, GptActivations<T>& activations, Gradients<Acc<T>>& gradients) const;

 private:
  ModelConfig config_;
  ParameterId token_embedding_, position_embedding_;
  std::vector<Block<T>> blocks_;
  Norm final_norm_;
};

}  // namespace kiln
