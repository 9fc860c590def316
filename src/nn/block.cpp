// Chains the two halves of a block.
#include "kiln/nn/block.h"

#include <algorithm>

namespace kiln {

template <class T>
Block<T>::Block(const ModelConfig& config, Index layer, ParameterLayout& layout)
    : attention_(config, layer, layout), mlp_(config, layer, layout) {}

template <class T>
auto Block<T>::lay_out(Arena& arena, Index N, const typename Mlp<T>::Activations* shared_mlp) const -> Activations {
  const typename Attention<T>::Activations attention = attention_.lay_out(arena, N);
  const Mat<T> resid_mid = arena.matrix<T>(N, attention.normed.cols());
  return {attention, resid_mid, shared_mlp == nullptr ? mlp_.lay_out(arena, N) : *shared_mlp};
}

template <class T>
auto Block<T>::lay_out_scratch(Arena& arena, Index N) const -> Scratch {
  const Mat<T> d_normed = arena.matrix<T>(N, attention_.d_model());
  const std::size_t shared = arena.mark();  // the MLP's backward ends before attention's begins
  const typename Mlp<T>::Scratch mlp = mlp_.lay_out_scratch(arena, d_normed);
  const std::size_t mlp_end = arena.mark();
  arena.release(shared);
  const typename Attention<T>::Scratch attention = attention_.lay_out_scratch(arena, d_normed);
  arena.release(std::max(mlp_end, arena.mark()));
  return {attention, mlp};
}

template <class T>
void Block<T>::forward(const ForwardContext<T>& context, ConstMat<T> x, Activations& a, Mat<T> out,
                       KeyValues<T>* cache) const {
  attention_.forward(context, x, a.attention, cache, a.resid_mid);
  mlp_.forward(context, as_const(a.resid_mid), a.mlp, out);
}

template <class T>
void Block<T>::recompute(const ForwardContext<T>& context, Recompute recompute, ConstMat<T> x, Activations& a) const {
  if (recompute == Recompute::none) return;
  if (recompute == Recompute::block) attention_.forward(context, x, a.attention, nullptr, a.resid_mid);
  mlp_.activate(context, as_const(a.resid_mid), a.mlp);
}

template <class T>
void Block<T>::backward(const ForwardContext<T>& context, ConstMat<T> x, const Activations& a, Scratch& s,
                        Mat<T> d_stream, Gradients<Acc<T>>& gradients) const {
  mlp_.backward(context, as_const(a.resid_mid), a.mlp, s.mlp, d_stream, gradients);
  attention_.backward(context, x, a.attention, s.attention, d_stream, gradients);
}

template class Block<float>;
template class Block<bfloat16>;
template class Block<double>;

}  // namespace kiln
