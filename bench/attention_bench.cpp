// Causal self-attention in the shapes of real models: attention/MODEL/PASS/TYPE.
#include "kiln/kernels/attention.h"

#include "workload.h"
#include <string>

namespace kiln::bench {
namespace {

/// Queries, keys and values as they lie in training: column slices of one matrix.
template <class T>
struct Operands {
  explicit Operands(const AttentionShape& shape)
      : width(shape.H * shape.D),
        qkv(shape.B * shape.key_stride, 3 * width),
        dqkv(shape.B * shape.key_stride, 3 * width),
        y(shape.B * shape.T, width),
        dy(shape.B * shape.T, width),
        log_sum(shape.B * shape.H, shape.T) {}

  ConstMat<T> part(Index i) const { return columns(qkv.view(), i * width, width); }
  Mat<T> gradient(Index i) { return columns(dqkv.view(), i * width, width); }

  Index width;
  Matrix<T> qkv, dqkv, y, dy;
  Matrix<Acc<T>> log_sum;
};

/// Operations of one product of queries and keys over the pairs that the causal mask leaves.
Index flops_of_product(const AttentionShape& shape) {
  const Index pairs = shape.T * (shape.S - shape.T) + shape.T * (shape.T + 1) / 2;
  return 2 * shape.B * shape.H * shape.D * pairs;
}

template <class T>
void forward(const AttentionShape& shape, Operands<T>& of) {
  const ConstMat<T> queries = rows(of.part(0), 0, shape.B * shape.T);
  attention_forward<T>(shape, queries, of.part(1), of.part(2), no_const_vec<Acc<T>>(), {}, of.y.view(),
                       of.log_sum.view());
}

/// Two products: scores, and values weighed by them.
template <class T>
void run_forward(benchmark::State& state, const AttentionShape& shape) {
  Operands<T> of(shape);
  for (auto _ : state) forward(shape, of);
  report_flops(state, 2 * flops_of_product(shape));
}

/// Five products: the scores again, then the gradients of probabilities, queries, keys and values.
template <class T>
void run_backward(benchmark::State& state, const AttentionShape& shape) {
  Operands<T> of(shape);
  forward(shape, of);
  for (auto _ : state) {
    attention_backward<T>(shape, of.part(0), of.part(1), of.part(2), no_const_vec<Acc<T>>(), {}, as_const(of.y.view()),
                          as_const(of.log_sum.view()), as_const(of.dy.view()), of.gradient(0), of.gradient(1),
                          of.gradient(2));
  }
  report_flops(state, 5 * flops_of_product(shape));
}

template <class T>
void add_passes(const Workload& model, const char* type) {
  const std::string name = std::string("attention/") + model.name;
  AttentionShape shape{model.B, model.T, model.T, model.T, model.H, model.H, model.head()};
  add(name + "/forward/" + type, [=](benchmark::State& state) { run_forward<T>(state, shape); });
  add(name + "/backward/" + type, [=](benchmark::State& state) { run_backward<T>(state, shape); });
  shape.B = shape.T = 1;  // generation: the last token of a text, the others' keys and values in the cache
  add(name + "/one-token/" + type, [=](benchmark::State& state) { run_forward<T>(state, shape); });
}

const bool kAdded = [] {
  for (const Workload& model : kWorkloads) {
    add_passes<float>(model, "fp32");
    add_passes<bfloat16>(model, "bf16");
  }
  return true;
}();

}  // namespace
}  // namespace kiln::bench
