// Turns the trunk's hidden states into outputs: next-token logits and losses, or one number per row.
#pragma once

#include "kiln/nn/gpt.h"

#include <cstdint>
#include <span>

namespace kiln {

/// Memory for one chunk of rows. Logits of a whole batch are never kept.
template <class T>
struct HeadScratch {
  Mat<Acc<T>> logits;  // (chunk, V)
  Mat<T> d_logits;     // (chunk, V); the same memory where T is Acc<T>
};

/// Scores the next token of chosen rows. Only these rows reach the unembedding.
template <class T>
class NextTokenHead {
 public:
  /// Unembeds with the trunk's token embedding if the config ties them; else registers lm_head.weight (V, C).
  NextTokenHead(const ModelConfig& config, Index vocab_size, TokenMatrix token_embedding, ParameterLayout& layout);

  Index vocab_size() const { return vocab_size_; }

  /// Lays out memory for up to `rows` scored rows. Allocate once for the largest batch; smaller batches reuse it.
  HeadScratch<T> lay_out(Arena& arena, Index rows) const;

  /// Computes logits = hidden[rows] W^T.   logits (M, V). Gathers rows that are not consecutive in
  /// activations.d_hidden.
  void logits(const ParameterBuffer<T>& weights, GptActivations<T>& activations, std::span<const Index> rows,
              Mat<Acc<T>> logits) const;

  /// Computes losses[m] = -log p(targets[m]) in nats, at scored.temperature, and, unless `best` is empty, the likeliest
  /// token best[m]. losses, best (M). Uses activations.d_hidden as logits does.
  void forward(const ParameterBuffer<T>& weights, GptActivations<T>& activations, const Scored& scored,
               HeadScratch<T>& scratch, Vec<Acc<T>> losses, std::span<std::int32_t> best) const;

  /// Computes losses as forward does, and the gradient of sum_m d_losses[m] * losses[m]: writes that of the hidden
  /// states to activations.d_hidden, zero in rows not scored, and adds that of the unembedding.   d_losses (M).
  void forward_backward(const ParameterBuffer<T>& weights, GptActivations<T>& activations, const Scored& scored,
                        ConstVec<Acc<T>> d_losses, HeadScratch<T>& scratch, Vec<Acc<T>> losses,
                        Gradients<Acc<T>>& gradients) const;

 private:
  void unembed(const ParameterBuffer<T>& weights, ConstMat<T> hidden, Mat<Acc<T>> logits) const;
  void add_weight_gradients(const ParameterBuffer<T>& weights, ConstMat<T> d_logits, ConstMat<T> hidden,
                            Gradients<Acc<T>>& gradients) const;
  void write_hidden_gradient(const ParameterBuffer<T>& weights, ConstMat<T> d_logits, Mat<T> d_hidden) const;

  Index vocab_size_;
  TokenMatrix unembedding_;
};

/// Maps the hidden state of each chosen row to one number: a reward model's score, or a policy's value. Reads rows one
/// by one, so that a row's number does not depend on the others.
template <class T>
class ScoreHead {
 public:
  /// Registers score.weight (1, C).
  ScoreHead(const ModelConfig& config, ParameterLayout& layout)
      : weight_(layout.matrix({Module::score}, 1, config.d_model)) {}

  /// Computes scores[m] = hidden[rows[m]] . w, summed in Acc<T>.   scores (M).
  void forward(const ParameterBuffer<T>& weights, const GptActivations<T>& activations, std::span<const Index> rows,
               Vec<Acc<T>> scores) const;

  /// Propagates d_scores (M), the gradient of the scores: writes that of the hidden states to activations.d_hidden,
  /// zero in rows not chosen, or adds it there; adds that of w, summed over the rows in their order.
  void backward(const ParameterBuffer<T>& weights, GptActivations<T>& activations, std::span<const Index> rows,
                ConstVec<Acc<T>> d_scores, Write hidden, Gradients<Acc<T>>& gradients) const;

 private:
  ParameterId weight_;
};

}  // namespace kiln
