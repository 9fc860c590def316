// What stands on the trunk's hidden states. A head has a forward that scores and a backward that puts the gradient of
// the hidden states in their place and adds those of its own parameters.
#pragma once

#include "kiln/nn/gpt.h"

#include <cstdint>
#include <span>

namespace kiln {

/// Memory for one chunk of rows: logits are never kept for a whole batch.
template <class T>
struct HeadScratch {
  Mat<Acc<T>> logits;  // (chunk, V)
  Mat<T> d_logits;     // (chunk, V); the same memory where T is Acc<T>
};

/// Unembedding and cross-entropy in one: the score of the next token at every position.
template <class T>
class NextTokenHead {
 public:
  /// Unembeds with the trunk's token embedding where the config ties them, else registers lm_head.weight (V, C).
  NextTokenHead(const ModelConfig& config, Index vocab_size, ParameterId token_embedding, ParameterLayout& layout);

  Index vocab_size() const { return vocab_size_; }

  /// Scratch for up to `rows` hidden states. It is for the largest batch to be laid out and for all to share: that for
  /// fewer rows may be larger, where they make one chunk less.
  HeadScratch<T> lay_out(Arena& arena, Index rows) const;

  /// logits = hidden W^T.   hidden (N, C), logits (N, V).
  void logits(const ParameterBuffer<T>& weights, ConstMat<T> hidden, Mat<Acc<T>> logits) const;

  /// losses[n] = -log p(targets[n]) in nats, best[n] the likeliest token (or an empty span).   hidden (N, C), losses
  /// (N).
  void forward(const ParameterBuffer<T>& weights, ConstMat<T> hidden, std::span<const std::int32_t> targets,
               HeadScratch<T>& scratch, Vec<Acc<T>> losses, std::span<std::int32_t> best) const;

  /// The forward, and the gradient of sum_n position_weights[n] * losses[n]: writes that of the hidden states in their
  /// place and adds that of the unembedding. A weight of 0 masks a position.
  void forward_backward(const ParameterBuffer<T>& weights, Mat<T> hidden, std::span<const std::int32_t> targets,
                        ConstVec<Acc<T>> position_weights, HeadScratch<T>& scratch, Vec<Acc<T>> losses,
                        Gradients<Acc<T>>& gradients) const;

 private:
  Index vocab_size_;
  ParameterId unembedding_;
};

}  // namespace kiln
