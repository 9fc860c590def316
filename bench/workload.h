// What the benchmarks have in common: the models of shared shapes, numbers to multiply, and GFLOP/s.
#pragma once

#include "kiln/tensor/arena.h"
#include "kiln/tensor/view.h"

#include <benchmark/benchmark.h>

#include <cstdint>

namespace kiln::bench {

/// The sizes that decide a training step's speed.
struct Workload {
  const char* name;
  Index B;  // sequences
  Index T;  // positions
  Index C;  // d_model
  Index H;  // heads of C/H
  Index V;  // vocabulary

  Index rows() const { return B * T; }
  Index head() const { return C / H; }
};

/// The models that kiln's training speed is measured with.
inline constexpr Workload kWorkloads[] = {
    {"char", 12, 64, 128, 4, 65},
    {"baby", 16, 256, 384, 6, 65},
    {"gpt2-124M", 4, 64, 768, 12, 50257},
    {"gpt2-124M-long", 1, 1024, 768, 12, 50257},
};

/// A matrix that owns its numbers, in memory like a model's, spread over (-1, 1): zeros and denormals would run at
/// another speed.
template <class T>
class Matrix {
 public:
  Matrix(Index rows, Index cols)
      : rows_(rows), cols_(cols), memory_(static_cast<std::size_t>(rows * cols) * sizeof(T)) {
    std::uint32_t state = 1;
    for (Index i = 0; i < rows * cols; ++i) {
      state = state * 1664525 + 1013904223;  // Numerical Recipes' generator
      values()[i] = static_cast<T>(static_cast<float>(state >> 8) * 0x1p-23f - 1.0f);
    }
  }

  Mat<T> view() { return mat(values(), rows_, cols_); }
  ConstMat<T> view() const { return mat(static_cast<const T*>(values()), rows_, cols_); }

 private:
  T* values() const { return reinterpret_cast<T*>(memory_.data()); }

  Index rows_;
  Index cols_;
  AlignedBlock memory_;
};

/// Reports the speed of a benchmark whose every iteration does `flops` operations (a multiplication and an addition are
/// two).
inline void report_flops(benchmark::State& state, Index flops) {
  state.counters["GFLOP/s"] =
      benchmark::Counter(static_cast<double>(flops) * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

/// Registers a benchmark by name; threads work inside an iteration, so that the wall clock counts.
template <class Function>
void add(const std::string& name, Function&& function) {
  benchmark::RegisterBenchmark(name.c_str(), std::forward<Function>(function))
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

/// Calls add_passes.operator()<T>(model, name of T) for each model, in float and in bfloat16.
template <class AddPasses>
void add_models(const AddPasses& add_passes) {
  for (const Workload& model : kWorkloads) {
    add_passes.template operator()<float>(model, "fp32");
    add_passes.template operator()<bfloat16>(model, "bf16");
  }
}

}  // namespace kiln::bench
