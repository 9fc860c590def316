// Calls the kernels with views of the layers' parameters.
#include "kiln/nn/layers.h"

#include "kiln/core/profile.h"
#include "kiln/kernels/linear.h"
#include "kiln/kernels/norm.h"

#include <numeric>

namespace kiln {
namespace {

const char* part_of(Module module) {
  switch (module) {
    case Module::c_attn:
      return "matmul qkv";
    case Module::attention_c_proj:
      return "matmul attention projection";
    case Module::c_fc:
      return "matmul mlp up";
    default:
      return "matmul mlp down";
  }
}

}  // namespace

Linear::Linear(const ModelConfig& config, ParameterLayout& layout, Module module, Index layer, Index in,
               std::vector<Index> column_groups)
    : part(part_of(module)) {
  const Index out = std::accumulate(column_groups.begin(), column_groups.end(), Index{0});
  weight = layout.matrix({module, layer}, in, out, column_groups);
  if (config.bias) bias = layout.vector({module, layer, TensorKind::bias}, out);
  if (!config.lora.adapts(layout[weight].name)) return;
  const bool is_split = family_of(config) == Family::llama;  // in its files
  adapter.emplace(config.lora, layout, module, layer, in, is_split ? std::move(column_groups) : std::vector{out});
}

template <class T>
void Linear::forward(const ForwardContext<T>& context, ConstMat<T> x, Mat<T> y) const {
  {
    const Timed timed(part);
    linear_forward<T>(x, context.weights.mat(weight), context.weights.vec(bias), y);
  }
  if (adapter) adapter->forward<T>(context, x, y);
}

template <class T>
void Linear::backward(const ForwardContext<T>& context, ConstMat<T> x, ConstMat<T> dy, Mat<T> dx,
                      Gradients<Acc<T>>& gradients) const {
  {
    const Timed timed(part);
    const auto [dw, write] = gradients.target(weight);
    linear_backward<T>(x, context.weights.mat(weight), dy, dx, dw, write, gradients.vec(bias));
  }
  if (adapter) adapter->backward<T>(context, x, dy, dx, gradients);
}

TokenMatrix::TokenMatrix(const ModelConfig& config, ParameterLayout& layout, Module module, Index vocab_size) {
  const Index added = config.lora.is_on() ? config.lora.new_tokens : 0;
  rows = layout.matrix({module}, vocab_size - added, config.d_model);
  if (added > 0) new_rows = layout.matrix({module, kNoLayer, TensorKind::new_rows}, added, config.d_model);
}

Norm::Norm(ParameterLayout& layout, Module module, Index layer, const ModelConfig& config)
    : kind(config.norm),
      epsilon(config.norm_epsilon),
      gain(layout.vector({module, layer}, config.d_model)),
      bias(config.bias && kind == NormKind::layernorm ? layout.vector({module, layer, TensorKind::bias}, config.d_model)
                                                      : ParameterId{}) {}

template <class T>
NormStatistics<T> Norm::lay_out(Arena& arena, Index rows) const {
  const Index means = kind == NormKind::layernorm ? rows : 0;
  return {arena.vector<Acc<T>>(means), arena.vector<Acc<T>>(rows)};
}

template <class T>
void Norm::forward(const ParameterBuffer<T>& weights, ConstMat<T> x, Mat<T> y, NormStatistics<T>& statistics) const {
  const Timed timed("norm");
  if (kind == NormKind::layernorm) {
    layernorm_forward<T>(x, weights.vec(gain), weights.vec(bias), epsilon, y, statistics.mean, statistics.rstd);
  } else {
    rmsnorm_forward<T>(x, weights.vec(gain), epsilon, y, statistics.rstd);
  }
}

template <class T>
void Norm::backward(const ParameterBuffer<T>& weights, ConstMat<T> x, const NormStatistics<T>& statistics,
                    ConstMat<T> dy, ConstMat<T> dskip, Mat<T> dx, Gradients<Acc<T>>& gradients) const {
  const Timed timed("norm");
  if (kind == NormKind::layernorm) {
    layernorm_backward<T>(x, weights.vec(gain), as_const(statistics.mean), as_const(statistics.rstd), dy, dskip, dx,
                          gradients.vec(gain), gradients.vec(bias));
  } else {
    rmsnorm_backward<T>(x, weights.vec(gain), as_const(statistics.rstd), dy, dskip, dx, gradients.vec(gain));
  }
}

#define KILN_INSTANTIATE(T)                                                                                         \
  template void Linear::forward<T>(const ForwardContext<T>&, ConstMat<T>, Mat<T>) const;                            \
  template void Linear::backward<T>(const ForwardContext<T>&, ConstMat<T>, ConstMat<T>, Mat<T>, Gradients<Acc<T>>&) \
      const;                                                                                                        \
  template NormStatistics<T> Norm::lay_out<T>(Arena&, Index) const;                                                 \
  template void Norm::forward<T>(const ParameterBuffer<T>&, ConstMat<T>, Mat<T>, NormStatistics<T>&) const;         \
  template void Norm::backward<T>(const ParameterBuffer<T>&, ConstMat<T>, const NormStatistics<T>&, ConstMat<T>,    \
                                  ConstMat<T>, Mat<T>, Gradients<Acc<T>>&) const;
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
