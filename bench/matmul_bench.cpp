// The matrix products of a training step, in the shapes of real models: matmul/MODEL/LAYER/PRODUCT/TYPE.
#include "kiln/kernels/matmul.h"

#include "workload.h"
#include <string>

namespace kiln::bench {
namespace {

/// A layer's weight, from `inputs` to `outputs` columns.
struct Layer {
  const char* name;
  Index inputs;
  Index outputs;
};

/// y = x w.
template <class T>
void forward(benchmark::State& state, Index rows, const Layer& layer) {
  const Matrix<T> x(rows, layer.inputs), w(layer.inputs, layer.outputs);
  Matrix<T> y(rows, layer.outputs);
  for (auto _ : state) matmul<T, T>(x.view(), w.view(), y.view());
  report_flops(state, 2 * rows * layer.inputs * layer.outputs);
}

/// dx = dy w^T.
template <class T>
void input_gradient(benchmark::State& state, Index rows, const Layer& layer) {
  const Matrix<T> dy(rows, layer.outputs), w(layer.inputs, layer.outputs);
  Matrix<T> dx(rows, layer.inputs);
  for (auto _ : state) matmul_nt<T, T>(dy.view(), w.view(), dx.view());
  report_flops(state, 2 * rows * layer.inputs * layer.outputs);
}

/// dw += x^T dy.
template <class T>
void weight_gradient(benchmark::State& state, Index rows, const Layer& layer) {
  const Matrix<T> x(rows, layer.inputs), dy(rows, layer.outputs);
  Matrix<Acc<T>> dw(layer.inputs, layer.outputs);
  for (auto _ : state) matmul_tn<T, Acc<T>>(x.view(), dy.view(), dw.view(), Write::accumulate);
  report_flops(state, 2 * rows * layer.inputs * layer.outputs);
}

template <class T>
void add_products(const std::string& name, Index rows, const Layer& layer, const char* type) {
  add(name + "/forward/" + type, [=](benchmark::State& state) { forward<T>(state, rows, layer); });
  add(name + "/dx/" + type, [=](benchmark::State& state) { input_gradient<T>(state, rows, layer); });
  add(name + "/dw/" + type, [=](benchmark::State& state) { weight_gradient<T>(state, rows, layer); });
}

const bool kAdded = [] {
  for (const Workload& model : kWorkloads) {
    const Index C = model.C;
    for (const Layer& layer : {Layer{"qkv", C, 3 * C}, Layer{"projection", C, C}, Layer{"mlp-up", C, 4 * C},
                               Layer{"mlp-down", 4 * C, C}, Layer{"unembedding", C, model.V}}) {
      const std::string name = std::string("matmul/") + model.name + "/" + layer.name;
      add_products<float>(name, model.rows(), layer, "fp32");
      add_products<bfloat16>(name, model.rows(), layer, "bf16");
    }
  }
  return true;
}();

}  // namespace
}  // namespace kiln::bench
