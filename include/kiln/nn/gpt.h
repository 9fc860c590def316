// Runs the trunk: computes hidden states from tokens, and propagates their gradient back.
#pragma once

#include "kiln/nn/block.h"

#include <optional>
#include <span>
#include <vector>

namespace kiln {

/// Views of all that a forward writes and a backward reads. N rows.
template <class T>
struct GptActivations {
  Index N;
  std::optional<Recompute> backward;  // what the backward recomputes; null: no backward
  std::vector<Mat<T>> stream;         // L+1 times (N, C): before and after each block; shared memory if no backward
  std::vector<typename Block<T>::Activations> blocks;
  NormStatistics<T> final_statistics;
  Mat<T> hidden;    // (N, C): the final hidden states, which the heads read
  Mat<T> d_hidden;  // (N, C): their gradient, written by the heads; also holds the rows that the heads gather
  std::optional<typename Block<T>::Scratch> scratch;  // for a backward
};

/// A decoder-only transformer without its head (arXiv:1706.03762, pre-norm as in GPT-2). Stateless: the caller owns
/// weights, activations and gradients.
template <class T>
class Gpt {
 public:
  /// Registers the trunk's parameters in the layout. The config must be valid.
  Gpt(const ModelConfig& config, Index vocab_size, ParameterLayout& layout);

  const ModelConfig& config() const { return config_; }
  TokenMatrix token_embedding() const { return token_embedding_; }

  /// Lays out views for N rows. `backward` says what the backward recomputes; null: no backward. Accepts a counting
  /// arena.
  GptActivations<T> lay_out(Arena& arena, Index N, std::optional<Recompute> backward) const;

  /// Computes activations.hidden from the context's activations.N rows. `cache` holds each layer's keys and values, or
  /// is empty.
  void forward(const ForwardContext<T>& context, GptActivations<T>& activations,
               std::span<KeyValues<T>> cache = {}) const;

  /// Computes activations.hidden from the stream before block `layer`, as if the trunk ended there: the logit lens
  /// (nostalgebraist, "interpreting GPT: the logit lens", 2020). n_layers: as forward leaves it. Other layers need
  /// activations for a backward, which keep the stream.
  void end_at(const ForwardContext<T>& context, GptActivations<T>& activations, Index layer) const;

  /// Writes the attention of one head in one layer, see Attention::probabilities. Needs activations for a backward that
  /// does not recompute blocks.
  void attention(const ForwardContext<T>& context, const GptActivations<T>& activations, Index layer, Index head,
                 Mat<Acc<T>> p) const;

  /// Propagates the gradient in activations.d_hidden to the embeddings; adds the parameter gradients. The context and
  /// all other activations must be the forward's. Pasts must be 0.
  void backward(const ForwardContext<T>& context, GptActivations<T>& activations, Gradients<Acc<T>>& gradients) const;

 private:
  ModelConfig config_;
  TokenMatrix token_embedding_;
  ParameterId position_embedding_;
  std::vector<int> first_ids_;  // of the parameters of each block; the blocks' ids ascend
  std::vector<Block<T>> blocks_;
  Norm final_norm_;
};

}  // namespace kiln
