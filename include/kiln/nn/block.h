// One transformer block: attention and MLP, each behind a norm and added to the residual stream.
#pragma once

#include "kiln/kernels/attention.h"
#include "kiln/kernels/dropout.h"
#include "kiln/nn/layers.h"
#include "kiln/nn/position_tables.h"

#include <optional>
#include <vector>

namespace kiln {

/// One layer's keys and values of all positions so far, for generation. Sequence b owns rows [b*capacity,
/// (b+1)*capacity).
template <class T>
struct KeyValues {
  Mat<T> keys, values;  // (B*capacity, K*D)
  Index capacity;       // positions a sequence can hold
};

/// What the MLP half's backward needs of its forward; it follows from the stream before it. N = B*T rows.
template <class T>
struct MlpActivations {
  Mat<T> normed;  // (N, C)
  NormStatistics<T> statistics;
  Mat<T> expanded;   // (N, F), gated (N, 2F)
  Mat<T> activated;  // (N, F)
};

/// What a block's backward needs of its forward. N = B*T rows.
template <class T>
struct BlockActivations {
  Mat<T> normed;  // (N, C): attention's input
  NormStatistics<T> statistics;
  Mat<T> projected;                  // (N, (H+2K)*D): queries, keys, values
  Mat<T> queries_and_keys;           // (N, (H+K)*D), as attention reads them; without qk_norm they lie in `projected`
  Vec<Acc<T>> query_rstd, key_rstd;  // (H*N), (K*N), with qk_norm only
  Mat<T> mixed;                      // (N, H*D): attention's output
  Mat<Acc<T>> log_sum;               // (B*H, T)
  Mat<T> middle;                     // (N, C): the stream between attention and MLP
  MlpActivations<T> mlp;
};

/// Memory that a block's backward uses and leaves to the next one.
template <class T>
struct BlockScratch {
  Mat<T> d_normed;     // (N, C)
  Mat<T> d_activated;  // (N, F)
  Mat<T> d_expanded;   // (N, F), gated (N, 2F)
  Mat<T> d_mixed;      // (N, H*D)
  Mat<T> d_qkv;        // (N, (H+2K)*D)
};

/// What all blocks of a pass read, on the way up and back.
template <class T>
struct BlockContext {
  const ParameterBuffer<T>& weights;
  const PositionTables<T>& positions;
  const StepContext& step;
  Index B;  // sequences
};

class Block {
 public:
  /// Registers the block's parameters as h.<layer>.*.
  Block(const ModelConfig& config, Index layer, ParameterLayout& layout);

  /// Activations of their own, but for those of the MLP where another block's are to be shared.
  template <class T>
  BlockActivations<T> lay_out(Arena& arena, Index B, Index T_, const MlpActivations<T>* shared_mlp = nullptr) const;
  template <class T>
  BlockScratch<T> lay_out_scratch(Arena& arena, Index N) const;

  /// x -> out.   x, out (B*T, C), in inference maybe the same memory. With a cache, the T positions follow `past`
  /// earlier ones, whose keys and values the cache holds, and are added to it.
  template <class T>
  void forward(const BlockContext<T>& context, ConstMat<T> x, BlockActivations<T>& activations, Mat<T> out,
               KeyValues<T>* cache, Index past) const;

  /// The forward's two halves. To repeat one gives the same activations: dropout's masks are functions of the step.
  template <class T>
  void forward_attention(const BlockContext<T>& context, ConstMat<T> x, BlockActivations<T>& activations,
                         KeyValues<T>* cache, Index past) const;
  /// As far as what the last product reads, which is all that a backward needs.
  template <class T>
  void forward_mlp(const ParameterBuffer<T>& weights, ConstMat<T> middle, MlpActivations<T>& activations) const;

  /// `d_stream` (N, C) holds the gradient of `out` and is left with that of x; parameter gradients accumulate.
  template <class T>
  void backward(const BlockContext<T>& context, ConstMat<T> x, const BlockActivations<T>& activations,
                BlockScratch<T>& scratch, Mat<T> d_stream, Gradients<Acc<T>>& gradients) const;

 private:
  AttentionShape attention_shape(Index B, Index T) const;
  Dropout dropout(const StepContext& context, int place) const;

  template <class T>
  void attend(const BlockContext<T>& context, BlockActivations<T>& activations, KeyValues<T>* cache, Index past) const;
  template <class T>
  void attend_backward(const BlockContext<T>& context, const BlockActivations<T>& activations, BlockScratch<T>& scratch,
                       Gradients<Acc<T>>& gradients) const;

  ModelConfig config_;
  Index layer_;
  Index H_, K_, D_, F_;
  Norm attention_norm_;
  Linear attention_in_, attention_out_;
  ParameterId query_gain_, key_gain_;  // qk_norm
  Norm mlp_norm_;
  Linear mlp_in_, mlp_out_;
};

}  // namespace kiln
