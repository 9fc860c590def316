// Computes one transformer block: attention and MLP, each behind a norm and added to the residual stream.
#pragma once

#include "kiln/nn/attention.h"
#include "kiln/nn/mlp.h"

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace kiln {

/// Activations that the backward recomputes instead of keeping them: none; those inside the MLPs; or all except the
/// residual stream between blocks (arXiv:1604.06174).
enum class Recompute { none, mlp, block };
inline constexpr std::array<std::string_view, 3> kRecomputes{"none", "mlp", "block"};
inline std::span<const std::string_view> names_of(Recompute) { return kRecomputes; }

template <class T>
class Block {
 public:
  /// Forward results that the backward reads. N rows.
  struct Activations {
    typename Attention<T>::Activations attention;
    Mat<T> resid_mid;  // (N, C): the stream between the halves
    typename Mlp<T>::Activations mlp;
  };

  /// Memory of the backward, reused by every call. The halves share theirs.
  struct Scratch {
    typename Attention<T>::Scratch attention;
    typename Mlp<T>::Scratch mlp;
  };

  /// Registers the block's parameters as h.<layer>.*.
  Block(const ModelConfig& config, Index layer, ParameterLayout& layout);

  const Attention<T>& attention() const { return attention_; }

  /// Lays out the block's activations; uses the MLP's of another block if `shared_mlp` is given.
  Activations lay_out(Arena& arena, Index N, const typename Mlp<T>::Activations* shared_mlp = nullptr) const;
  Scratch lay_out_scratch(Arena& arena, Index N) const;

  /// Computes out from x.   x, out (N, C), in inference possibly the same memory. `cache` may be null; see
  /// Attention::forward.
  void forward(const ForwardContext<T>& context, ConstMat<T> x, Activations& activations, Mat<T> out,
               KeyValues<T>* cache) const;

  /// Recomputes the activations that were not kept. They equal the forward's, since dropout redraws the same masks.
  void recompute(const ForwardContext<T>& context, Recompute recompute, ConstMat<T> x, Activations& activations) const;

  /// Replaces the gradient of `out` in d_stream (N, C) by that of x; adds the parameter gradients.
  void backward(const ForwardContext<T>& context, ConstMat<T> x, const Activations& activations, Scratch& scratch,
                Mat<T> d_stream, Gradients<Acc<T>>& gradients) const;

 private:
  Attention<T> attention_;
  Mlp<T> mlp_;
};

}  // namespace kiln
