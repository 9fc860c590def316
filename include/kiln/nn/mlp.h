// The MLP half of a block: norm, expansion, activation, projection, sum into the residual stream.
#pragma once

#include "kiln/nn/forward_context.h"
#include "kiln/nn/layers.h"

namespace kiln {

template <class T>
class Mlp {
 public:
  /// What the backward needs of the forward. N rows.
  struct Activations {
    Mat<T> normed;  // (N, C)
    NormStatistics<T> statistics;
    Mat<T> fc;         // (N, F), gated (N, 2F): gate, up
    Mat<T> activated;  // (N, F)
  };

  /// Memory that a backward uses and leaves to the next one.
  struct Scratch {
    Mat<T> d_normed;     // (N, C)
    Mat<T> d_activated;  // (N, F)
    Mat<T> d_fc;         // (N, F), gated (N, 2F)
  };

  /// Registers the parameters of this half of block `layer` as h.<layer>.*.
  Mlp(const ModelConfig& config, Index layer, ParameterLayout& layout);

  Activations lay_out(Arena& arena, Index N) const;
  /// `d_normed` (N, C) is shared with the block's other half.
  Scratch lay_out_scratch(Arena& arena, Mat<T> d_normed) const;

  /// out = x + dropout(projection(activation(fc(norm(x))))).   x, out (N, C).
  void forward(const ForwardContext<T>& context, ConstMat<T> x, Activations& activations, Mat<T> out) const;
  /// The forward up to the activation: all that a backward needs.
  void activate(const ForwardContext<T>& context, ConstMat<T> x, Activations& activations) const;

  /// Takes the gradient of `out` in d_stream (N, C) to that of x, in place; parameter gradients accumulate.
  void backward(const ForwardContext<T>& context, ConstMat<T> x, const Activations& activations, Scratch& scratch,
                Mat<T> d_stream, Gradients<Acc<T>>& gradients) const;

 private:
  Dropout dropout(const ForwardContext<T>& context) const;

  ModelConfig config_;
  Index layer_;
  Index F_, fc_size_;  // fc_size_: 2F where the activation is gated
  Norm norm_;
  Linear fc_, projection_;
};

}  // namespace kiln
