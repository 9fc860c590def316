// Computes the attention half of a block: norm, queries/keys/values, attention, projection, residual sum.
#pragma once

#include "kiln/kernels/attention.h"
#include "kiln/nn/forward_context.h"
#include "kiln/nn/layers.h"

namespace kiln {

template <class T>
class Attention {
 public:
  /// Forward results that the backward reads. N rows.
  struct Activations {
    Mat<T> normed;  // (N, C)
    NormStatistics<T> statistics;
    Mat<T> qkv;                        // (N, (H+2K)*D): queries, keys, values
    Mat<T> queries_and_keys;           // (N, (H+K)*D): input of attention; without qk_norm a slice of qkv
    Vec<Acc<T>> query_rstd, key_rstd;  // (H*N), (K*N), with qk_norm only
    Mat<T> attn_out;                   // (N, H*D), before the projection
    Vec<Acc<T>> lse;                   // (H*N)
  };

  /// Memory of the backward, reused by every call.
  struct Scratch {
    Mat<T> d_normed;    // (N, C)
    Mat<T> d_attn_out;  // (N, H*D)
    Mat<T> d_qkv;       // (N, (H+2K)*D)
  };

  /// Registers the parameters of this half of block `layer` as h.<layer>.*.
  Attention(const ModelConfig& config, Index layer, ParameterLayout& layout);

  Index d_model() const { return config_.d_model; }

  Activations lay_out(Arena& arena, Index N) const;
  /// `d_normed` (N, C) is shared with the block's other half.
  Scratch lay_out_scratch(Arena& arena, Mat<T> d_normed) const;

  /// Computes out = x + dropout(projection(attention(norm(x)))).   x, out (N, C). Appends the keys and values of each
  /// sequence to the `past` earlier ones in its slot of `cache`, unless that is null.
  void forward(const ForwardContext<T>& context, ConstMat<T> x, Activations& activations, KeyValues<T>* cache,
               Mat<T> out) const;

  /// Writes the attention of one head in the last forward: p(i, j) is what row i takes of the value of row j, before
  /// dropout; 0 where i does not attend to j.   p (N, N). Needs a forward without a cache.
  void probabilities(const ForwardContext<T>& context, const Activations& activations, Index head, Mat<Acc<T>> p) const;

  /// Replaces the gradient of `out` in d_stream (N, C) by that of x; adds the parameter gradients.
  void backward(const ForwardContext<T>& context, ConstMat<T> x, const Activations& activations, Scratch& scratch,
                Mat<T> d_stream, Gradients<Acc<T>>& gradients) const;

 private:
  void attend(const ForwardContext<T>& context, Activations& activations, KeyValues<T>* cache) const;
  void attend_backward(const ForwardContext<T>& context, const Activations& activations, Scratch& scratch,
                       Gradients<Acc<T>>& gradients) const;
  Dropout dropout(const ForwardContext<T>& context, DropoutPlace place) const;

  ModelConfig config_;
  Index layer_;
  Index H_, K_, D_;
  Norm norm_;
  Linear qkv_, projection_;
  ParameterId query_gain_, key_gain_;  // qk_norm
};

}  // namespace kiln
