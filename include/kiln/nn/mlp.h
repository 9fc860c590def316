// Computes the MLP half of a block: norm, expansion, activation, projection, residual sum.
#pragma once

#include "kiln/nn/forward_context.h"
#include "kiln/nn/layers.h"

namespace kiln {

template <class T>
class Mlp {
 public:
  /// Forward results that the backward reads. N rows.
  struct Activations {
    Mat<T> normed;  // (N, C)
    NormStatistics<T> statistics;
    Mat<T> fc;         // (N, F), gated (N, 2F): gate, up
    Mat<T> activated;  // (N, F)
  };

  /// Memory of the backward, reused by every call.
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

  /// Computes out = x + dropout(projection(activation(fc(norm(x))))).   x, out (N, C).
  void forward(const ForwardContext<T>& context, ConstMat<T> x, Activations& activations, Mat<T> out) const;
  /// Runs the forward up to the activation, which is all that the backward reads.
  void activate(const ForwardContext<T>& context, ConstMat<T> x, Activations& activations) const;

  /// Replaces the gradient of `out` in d_stream (N, C) by that of x; adds the parameter gradients.
  void backward(const ForwardContext<T>& context, ConstMat<T> x, const Activations& activations, Scratch& scratch,
                Mat<T> d_stream, Gradients<Acc<T>>& gradients) const;

 private:
  Dropout dropout(const ForwardContext<T>& context) const;

  ModelConfig config_;
  Index layer_;
  Index F_, fc_size_;  // fc_size_: 2F if the activation is gated, else F
  Norm norm_;
  Linear fc_, projection_;
};

}  // namespace kiln
