// Calls the kernels with views of the layers' parameters.
#include "kiln/nn/layers.h"

#include "kiln/core/profile.h"
#include "kiln/kernels/linear.h"
#include "kiln/kernels/norm.h"

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

Linear::Linear(ParameterLayout& layout, Module module, Index layer, Index in, Index out, bool has_bias,
               std::vector<Index> column_groups)
    : weight(layout.matrix({module, layer}, in, out, std::move(column_groups))),
      bias(has_bias ? layout.vector({module, layer, TensorKind::bias}, out) : ParameterId{}),
      part(part_of(module)) {}

template <class T>
void Linear::forward(const ParameterBuffer<T>& weights, ConstMat<T> x, Mat<T> y) const {
  const Timed timed(part);
  linear_forward<T>(x, weights.mat(weight), weights.vec(bias), y);
}

template <class T>
void Linear::backward(const ParameterBuffer<T>& weights, ConstMat<T> x, ConstMat<T> dy, Mat<T> dx,
                      Gradients<Acc<T>>& gradients) const {
  const Timed timed(part);
  const auto [dw, write] = gradients.target(weight);
  linear_backward<T>(x, weights.mat(weight), dy, dx, dw, write, gradients.vec(bias));
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

#define KILN_INSTANTIATE(T)                                                                                          \
  template void Linear::forward<T>(const ParameterBuffer<T>&, ConstMat<T>, Mat<T>) const;                            \
  template void Linear::backward<T>(const ParameterBuffer<T>&, ConstMat<T>, ConstMat<T>, Mat<T>, Gradients<Acc<T>>&) \
      const;                                                                                                         \
  template NormStatistics<T> Norm::lay_out<T>(Arena&, Index) const;                                                  \
  template void Norm::forward<T>(const ParameterBuffer<T>&, ConstMat<T>, Mat<T>, NormStatistics<T>&) const;          \
  template void Norm::backward<T>(const ParameterBuffer<T>&, ConstMat<T>, const NormStatistics<T>&, ConstMat<T>,     \
                                  ConstMat<T>, Mat<T>, Gradients<Acc<T>>&) const;
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
