// Computes adapters with skinny products over scratch that all layers share.
#include "kiln/nn/adapter.h"

#include "kiln/core/profile.h"
#include "kiln/core/threads.h"
#include "kiln/kernels/matmul.h"
#include "kiln/tensor/convert.h"

#include <algorithm>
#include <numeric>
#include <type_traits>
#include <utility>

namespace kiln {
namespace {

constexpr std::uint64_t kAdapterSites = std::uint64_t{1} << 32;  // of dropout; the blocks' sites lie below

/// Returns a matrix in the memory of a larger one.
template <class T>
Mat<T> matrix_in(Mat<T> memory, Index rows, Index cols) {
  return mat(memory.data(), rows, cols);
}

template <class T>
void multiply(Mat<T> m, double factor) {
  constexpr Index kGrain = 64;
  parallel_for(m.rows(), kGrain, [&](Index begin, Index end) {
    for (Index n = begin; n < end; ++n) {
      T* elements = row(m, n);
      for (Index c = 0; c < m.cols(); ++c) elements[c] = narrow<T>(widen(elements[c]) * static_cast<Acc<T>>(factor));
    }
  });
}

/// w += a b.   In bfloat16, the sum is rounded once.
template <class T>
void add_product(ConstMat<float> a, ConstMat<float> b, Mat<T> w) {
  if constexpr (std::is_same_v<T, float>) {
    matmul<float, float>(a, b, w, Write::accumulate);
  } else {
    RowMajor<float> sum = w.template cast<float>();
    matmul<float, float>(a, b, mat(sum.data(), sum.rows(), sum.cols()), Write::accumulate);
    w = sum.template cast<T>();
  }
}

}  // namespace

Adapter::Adapter(const LoraConfig& lora, ParameterLayout& layout, Module module, Index layer, Index in,
                 std::vector<Index> groups)
    : groups_(std::move(groups)), rank_(lora.rank), scale_(lora.scale()), dropout_(lora.dropout) {
  const Index out = std::accumulate(groups_.begin(), groups_.end(), Index{0});
  a_ = layout.matrix({module, layer, TensorKind::lora_a}, in, std::ssize(groups_) * rank_,
                     std::vector<Index>(groups_.size(), rank_));
  b_ = layout.matrix({module, layer, TensorKind::lora_b}, rank_, out, groups_);
}

Dropout Adapter::dropout(const StepContext& step) const {
  return Dropout(step, dropout_, kAdapterSites + static_cast<std::uint64_t>(a_.index));
}

/// Returns dropout(x): x itself, or a copy in the scratch.
template <class T>
ConstMat<T> Adapter::input(const ForwardContext<T>& context, ConstMat<T> x) const {
  const Dropout dropout = this->dropout(context.step);
  if (!dropout.active()) return x;
  Mat<T> dropped = matrix_in<T>(context.adapters.dropped, x.rows(), x.cols());
  dropped = x;
  dropout_inplace<T>(dropout, context.rows.sequences, dropped);
  return as_const(dropped);
}

/// Returns scale dropout(x) A (N, G R), in the scratch.
template <class T>
Mat<T> Adapter::project(const ForwardContext<T>& context, ConstMat<T> x) const {
  const ConstMat<T> a = context.weights.mat(a_);
  const Mat<T> low = matrix_in<T>(context.adapters.low, x.rows(), a.cols());
  matmul<T, T>(x, a, low);
  multiply<T>(low, scale_);
  return low;
}

template <class T>
void Adapter::forward(const ForwardContext<T>& context, ConstMat<T> x, Mat<T> y) const {
  const Timed timed("matmul adapters");
  const ConstMat<T> b = context.weights.mat(b_);
  const ConstMat<T> low = as_const(project<T>(context, input<T>(context, x)));
  Index begin = 0, first = 0;
  for (const Index count : groups_) {
    matmul<T, T>(columns(low, first, rank_), columns(b, begin, count), columns(y, begin, count), Write::accumulate);
    begin += count;
    first += rank_;
  }
}

// y += scale dropout(x) A B
template <class T>
void Adapter::backward(const ForwardContext<T>& context, ConstMat<T> x, ConstMat<T> dy, Mat<T> dx,
                       Gradients<Acc<T>>& gradients) const {
  const Timed timed("matmul adapters");
  const ConstMat<T> a = context.weights.mat(a_), b = context.weights.mat(b_);
  const ConstMat<T> dropped = input<T>(context, x);
  const ConstMat<T> low = as_const(project<T>(context, dropped));
  const Mat<T> d_low = matrix_in<T>(context.adapters.d_low, x.rows(), a.cols());
  const auto [da, write_a] = gradients.target(a_);
  const auto [db, write_b] = gradients.target(b_);
  Index begin = 0, first = 0;
  for (const Index count : groups_) {
    const ConstMat<T> dy_group = columns(dy, begin, count);
    matmul_nt<T, T>(dy_group, columns(b, begin, count), columns(d_low, first, rank_));
    if (db.rows() > 0) matmul_tn<T, Acc<T>>(columns(low, first, rank_), dy_group, columns(db, begin, count), write_b);
    begin += count;
    first += rank_;
  }
  multiply<T>(d_low, scale_);
  if (da.rows() > 0) matmul_tn<T, Acc<T>>(dropped, as_const(d_low), da, write_a);
  const Dropout dropout = this->dropout(context.step);
  if (!dropout.active()) return matmul_nt<T, T>(as_const(d_low), a, dx, Write::accumulate);
  Mat<T> d_dropped = matrix_in<T>(context.adapters.dropped, x.rows(), x.cols());
  matmul_nt<T, T>(as_const(d_low), a, d_dropped);
  dropout_inplace<T>(dropout, context.rows.sequences, d_dropped);
  dx += d_dropped;
}

template <class T>
AdapterScratch<T> lay_out_adapter_scratch(Arena& arena, const ParameterLayout& layout, const LoraConfig& lora, Index N,
                                          bool backward) {
  Index in = 0, low = 0;  // the widest of all adapters
  for (const Parameter& p : layout.parameters()) {
    if (p.key.tensor != TensorKind::lora_a) continue;
    in = std::max(in, p.rows);
    low = std::max(low, p.cols);
  }
  return {arena.matrix<T>(N, low), arena.matrix<T>(backward ? N : 0, low),
          arena.matrix<T>(backward && lora.dropout > 0 ? N : 0, in)};
}

template <class T>
void merge_adapters(const LoraConfig& lora, const ParameterBuffer<float>& adapters, ParameterBuffer<T>& weights) {
  for (const Parameter& p : adapters.layout().parameters()) {
    const ParameterId weight = weights.layout().find({p.key.module, p.key.layer});
    if (p.key.tensor == TensorKind::new_rows) {
      weights.mat(weight).bottomRows(p.rows) = adapters.mat(p.id).template cast<T>();
      continue;
    }
    if (p.role == Role::score) weights.mat(weight) = adapters.mat(p.id).template cast<T>();
    if (p.key.tensor != TensorKind::lora_b) continue;
    const ParameterId a = adapters.layout().find({p.key.module, p.key.layer, TensorKind::lora_a});
    const RowMajor<float> scaled = adapters.mat(a) * static_cast<float>(lora.scale());
    const ConstMat<float> low = mat(scaled.data(), scaled.rows(), scaled.cols());
    Index begin = 0, first = 0;
    for (const Index count : p.column_groups) {
      add_product<T>(columns(low, first, p.rows), columns(adapters.mat(p.id), begin, count),
                     columns(weights.mat(weight), begin, count));
      begin += count;
      first += p.rows;
    }
  }
}

#define KILN_INSTANTIATE(T)                                                                                          \
  template void Adapter::forward<T>(const ForwardContext<T>&, ConstMat<T>, Mat<T>) const;                            \
  template void Adapter::backward<T>(const ForwardContext<T>&, ConstMat<T>, ConstMat<T>, Mat<T>, Gradients<Acc<T>>&) \
      const;                                                                                                         \
  template AdapterScratch<T> lay_out_adapter_scratch<T>(Arena&, const ParameterLayout&, const LoraConfig&, Index, bool);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE
template void merge_adapters<float>(const LoraConfig&, const ParameterBuffer<float>&, ParameterBuffer<float>&);
template void merge_adapters<bfloat16>(const LoraConfig&, const ParameterBuffer<float>&, ParameterBuffer<bfloat16>&);

}  // namespace kiln
