// Passes that the memory bounds: elementwise/PASS/SIZE/TYPE, in GB/s of what they must at least read and write, beside
// the triad a = b + 3 c in float.
#include "kiln/core/threads.h"
#include "kiln/kernels/activation.h"
#include "kiln/kernels/norm.h"
#include "kiln/optim/optimizer.h"

#include "workload.h"
#include <algorithm>
#include <string>
#include <utility>

namespace kiln::bench {
namespace {

void report_bytes(benchmark::State& state, Index elements, std::size_t element_bytes) {
  state.counters["GB/s"] = benchmark::Counter(static_cast<double>(elements) * static_cast<double>(element_bytes) * 1e-9,
                                              benchmark::Counter::kIsIterationInvariantRate);
}

void run_triad(benchmark::State& state, Index count) {
  Matrix<float> a(1, count), b(1, count), c(1, count);
  float *const out = a.view().data(), *const x = b.view().data(), *const y = c.view().data();
  for (auto _ : state) {
    parallel_for(count, 1024, [&](Index begin, Index end) {
#pragma omp simd
      for (Index i = begin; i < end; ++i) out[i] = x[i] + 3.0f * y[i];
    });
  }
  report_bytes(state, 3 * count, sizeof(float));
}

template <class T>
struct NormOperands {
  NormOperands(Index N, Index C)
      : x(N, C), y(N, C), dy(N, C), gain(1, C), bias(1, C), mean(1, N), rstd(1, N), dgain(1, C), dbias(1, C) {}

  void forward() {
    layernorm_forward<T>(as_const(x.view()), vector(gain), vector(bias), 1e-5, y.view(), sums(mean), sums(rstd));
  }
  /// With a residual path, in place, as a block's backward calls it.
  void backward() {
    layernorm_backward<T>(as_const(x.view()), vector(gain), as_const(sums(mean)), as_const(sums(rstd)),
                          as_const(y.view()), as_const(dy.view()), dy.view(), sums(dgain), sums(dbias));
  }

  static ConstVec<T> vector(Matrix<T>& m) { return {m.view().data(), m.view().cols()}; }
  static Vec<Acc<T>> sums(Matrix<Acc<T>>& m) { return {m.view().data(), m.view().cols()}; }

  Matrix<T> x, y, dy, gain, bias;
  Matrix<Acc<T>> mean, rstd, dgain, dbias;
};

template <class T>
void run_norm_forward(benchmark::State& state, Index N, Index C) {
  NormOperands<T> of(N, C);
  for (auto _ : state) of.forward();
  report_bytes(state, 2 * N * C, sizeof(T));
}

template <class T>
void run_norm_backward(benchmark::State& state, Index N, Index C) {
  NormOperands<T> of(N, C);
  of.forward();
  for (auto _ : state) of.backward();
  report_bytes(state, 4 * N * C, sizeof(T));
}

template <class T>
void run_activation_forward(benchmark::State& state, Activation activation, Index N, Index F) {
  Matrix<T> x(N, is_gated(activation) ? 2 * F : F), y(N, F);
  for (auto _ : state) activation_forward<T>(activation, as_const(x.view()), y.view());
  report_bytes(state, N * F * (is_gated(activation) ? 3 : 2), sizeof(T));
}

template <class T>
void run_activation_backward(benchmark::State& state, Activation activation, Index N, Index F) {
  Matrix<T> x(N, is_gated(activation) ? 2 * F : F), dy(N, F), dx(N, x.view().cols());
  for (auto _ : state) activation_backward<T>(activation, as_const(x.view()), as_const(dy.view()), dx.view());
  report_bytes(state, N * F * (is_gated(activation) ? 5 : 3), sizeof(T));
}

/// AdamW reads gradient, weight and two moments, and writes the last three.
void run_adamw(benchmark::State& state, Index count) {
  ParameterLayout layout;
  layout.matrix({Module::wte}, count / 768, 768);
  OptimizerConfig config;
  const auto optimizer = make_optimizer(config, layout);
  ParameterBuffer<float> weights(layout), gradients(layout);
  std::fill_n(gradients.data(), layout.extent(), 1e-3f);
  optimizer->step(Weights(weights), gradients, {});  // moments get their memory
  for (auto _ : state) optimizer->step(Weights(weights), gradients, {});
  report_bytes(state, 7 * layout.count(), sizeof(float));
}

template <class T>
void add_passes(const Workload& model, const char* type) {
  const Index N = model.rows(), C = model.C;
  const auto add_pass = [&](const std::string& pass, auto run) {
    add("elementwise/" + pass + "/" + model.name + "/" + type, run);
  };
  add_pass("layernorm-forward", [=](benchmark::State& state) { run_norm_forward<T>(state, N, C); });
  add_pass("layernorm-backward", [=](benchmark::State& state) { run_norm_backward<T>(state, N, C); });
  for (const auto& [name, activation] :
       {std::pair{"gelu", Activation::gelu}, std::pair{"swiglu", Activation::swiglu}}) {
    const std::string pass = name;
    const Activation which = activation;
    add_pass(pass + "-forward", [=](benchmark::State& state) { run_activation_forward<T>(state, which, N, 4 * C); });
    add_pass(pass + "-backward", [=](benchmark::State& state) { run_activation_backward<T>(state, which, N, 4 * C); });
  }
}

const bool kAdded = [] {
  constexpr Index kMillion = 1000000;
  for (const Index millions : {1, 3, 100}) {
    add("elementwise/triad/" + std::to_string(millions) + "M",
        [=](benchmark::State& state) { run_triad(state, millions * kMillion); });
  }
  add("elementwise/adamw/124M", [](benchmark::State& state) { run_adamw(state, 124 * kMillion); });
  add_models([]<class T>(const Workload& model, const char* type) { add_passes<T>(model, type); });
  return true;
}();

}  // namespace
}  // namespace kiln::bench
