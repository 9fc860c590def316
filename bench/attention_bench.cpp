// Causal self-attention in the shapes of real models: attention/MODEL/PASS/TYPE.
#include "kiln/kernels/attention.h"

#include "workload.h"
#include <string>

namespace kiln::bench {
namespace {

/// Sequences of `length` tokens after `past` cached ones. Queries, keys and values are column slices of one matrix, as
/// in training.
struct Shape {
  Index B, length, past, H, D;
};

template <class T>
struct Operands {
  explicit Operands(const Shape& s)
      : width(s.H * s.D),
        qkv(s.B * (s.past + s.length), 3 * width),
        dqkv(qkv.view().rows(), 3 * width),
        y(s.B * s.length, width),
        dy(s.B * s.length, width),
        lse(1, s.H * s.B * s.length) {
    for (Index b = 0; b < s.B; ++b) {
      sequences.push_back({.row = b * s.length, .length = s.length, .past = s.past, .slot = b});
    }
    shape = {.sequences = sequences, .H = s.H, .K = s.H, .D = s.D, .slot_size = s.past > 0 ? s.past + s.length : 0};
  }

  ConstMat<T> part(Index i) const { return columns(qkv.view(), i * width, width); }
  Mat<T> gradient(Index i) { return columns(dqkv.view(), i * width, width); }
  Vec<Acc<T>> lse_vector() { return {lse.view().data(), lse.view().cols()}; }

  Index width;
  Matrix<T> qkv, dqkv, y, dy;
  Matrix<Acc<T>> lse;
  std::vector<Sequence> sequences;
  AttentionShape shape;
};

/// Operations of one product of queries and keys over the pairs that the causal mask leaves.
Index flops_of_product(const Shape& s) {
  const Index pairs = s.length * s.past + s.length * (s.length + 1) / 2;
  return 2 * s.B * s.H * s.D * pairs;
}

template <class T>
void forward(Operands<T>& of) {
  const ConstMat<T> queries = rows(of.part(0), 0, of.y.view().rows());
  attention_forward<T>(of.shape, queries, of.part(1), of.part(2), no_const_vec<Acc<T>>(), {}, of.y.view(),
                       of.lse_vector());
}

/// Two products: scores, and values weighed by them.
template <class T>
void run_forward(benchmark::State& state, const Shape& shape) {
  Operands<T> of(shape);
  for (auto _ : state) forward(of);
  report_flops(state, 2 * flops_of_product(shape));
}

/// Five products: the scores again, then the gradients of probabilities, queries, keys and values.
template <class T>
void run_backward(benchmark::State& state, const Shape& shape) {
  Operands<T> of(shape);
  forward(of);
  for (auto _ : state) {
    attention_backward<T>(of.shape, of.part(0), of.part(1), of.part(2), no_const_vec<Acc<T>>(), {},
                          as_const(of.y.view()), as_const(of.lse_vector()), as_const(of.dy.view()), of.gradient(0),
                          of.gradient(1), of.gradient(2));
  }
  report_flops(state, 5 * flops_of_product(shape));
}

template <class T>
void add_passes(const Workload& model, const char* type) {
  const std::string name = std::string("attention/") + model.name;
  Shape shape{.B = model.B, .length = model.T, .past = 0, .H = model.H, .D = model.head()};
  add(name + "/forward/" + type, [=](benchmark::State& state) { run_forward<T>(state, shape); });
  add(name + "/backward/" + type, [=](benchmark::State& state) { run_backward<T>(state, shape); });
  shape = {
      .B = 1, .length = 1, .past = model.T - 1, .H = model.H, .D = model.head()};  // generation: a text's last token
  add(name + "/one-token/" + type, [=](benchmark::State& state) { run_forward<T>(state, shape); });
}

const bool kAdded = [] {
  add_models([]<class T>(const Workload& model, const char* type) { add_passes<T>(model, type); });
  return true;
}();

}  // namespace
}  // namespace kiln::bench
