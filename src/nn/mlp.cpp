// Composes the MLP half of a block from kernels, forward and backward side by side.
#include "kiln/nn/mlp.h"

#include "kiln/core/profile.h"
#include "kiln/kernels/activation.h"

namespace kiln {

template <class T>
Mlp<T>::Mlp(const ModelConfig& config, Index layer, ParameterLayout& layout)
    : config_(config),
      layer_(layer),
      F_(config.mlp_size()),
      fc_size_(is_gated(config.activation) ? 2 * F_ : F_),
      norm_(layout, Module::ln_2, layer, config),
      fc_(config, layout, Module::c_fc, layer, config.d_model,
          is_gated(config.activation) ? std::vector{F_, F_} : std::vector{F_}),
      projection_(config, layout, Module::mlp_c_proj, layer, F_, {config.d_model}) {}

template <class T>
Dropout Mlp<T>::dropout(const ForwardContext<T>& context) const {
  return Dropout(context.step, config_.dropout, dropout_site(layer_, DropoutPlace::mlp_branch));
}

template <class T>
auto Mlp<T>::lay_out(Arena& arena, Index N) const -> Activations {
  return {arena.matrix<T>(N, config_.d_model), norm_.lay_out<T>(arena, N), arena.matrix<T>(N, fc_size_),
          arena.matrix<T>(N, F_)};
}

template <class T>
auto Mlp<T>::lay_out_scratch(Arena& arena, Mat<T> d_normed) const -> Scratch {
  const Index N = d_normed.rows();
  return {d_normed, arena.matrix<T>(N, F_), arena.matrix<T>(N, fc_size_)};
}

template <class T>
void Mlp<T>::forward(const ForwardContext<T>& context, ConstMat<T> x, Activations& a, Mat<T> out) const {
  activate(context, x, a);
  projection_.forward<T>(context, as_const(a.activated), out);
  residual_forward<T>(x, dropout(context), context.rows.sequences, out);
}

template <class T>
void Mlp<T>::activate(const ForwardContext<T>& context, ConstMat<T> x, Activations& a) const {
  norm_.forward<T>(context.weights, x, a.normed, a.statistics);
  fc_.forward<T>(context, as_const(a.normed), a.fc);
  const Timed timed("activation");
  activation_forward<T>(config_.activation, as_const(a.fc), a.activated);
}

// out = x + dropout(projection(activation(fc(norm(x)))))
template <class T>
void Mlp<T>::backward(const ForwardContext<T>& context, ConstMat<T> x, const Activations& a, Scratch& s,
                      Mat<T> d_stream, Gradients<Acc<T>>& gradients) const {
  // d_normed is reused: branch gradient first, then the norm output's.
  const ConstMat<T> d_branch =
      residual_backward<T>(as_const(d_stream), dropout(context), context.rows.sequences, s.d_normed);
  projection_.backward<T>(context, as_const(a.activated), d_branch, s.d_activated, gradients);
  {
    const Timed timed("activation");
    activation_backward<T>(config_.activation, as_const(a.fc), as_const(s.d_activated), s.d_fc);
  }
  fc_.backward<T>(context, as_const(a.normed), as_const(s.d_fc), s.d_normed, gradients);
  norm_.backward<T>(context.weights, x, a.statistics, as_const(s.d_normed), as_const(d_stream), d_stream, gradients);
}

template class Mlp<float>;
template class Mlp<bfloat16>;
template class Mlp<double>;

}  // namespace kiln
