// Defines the two layers inside a block that hold parameters: a linear map and a norm.
#pragma once

#include "kiln/nn/adapter.h"
#include "kiln/nn/forward_context.h"
#include "kiln/nn/model_config.h"
#include "kiln/tensor/arena.h"
#include "kiln/tensor/parameters.h"

#include <optional>
#include <vector>

namespace kiln {

/// A linear layer, by the ids of W and b, and its adapter if it has one.
struct Linear {
  ParameterId weight, bias;
  std::optional<Adapter> adapter;
  const char* part;  // name of its products in core/profile

  Linear(const ModelConfig& config, ParameterLayout& layout, Module module, Index layer, Index in,
         std::vector<Index> column_groups);

  /// Computes y = x W + b, and adds the adapter's part.   x (N, in), y (N, out).
  template <class T>
  void forward(const ForwardContext<T>& context, ConstMat<T> x, Mat<T> y) const;

  /// Writes dx; adds the gradients of W, b and the adapter.
  template <class T>
  void backward(const ForwardContext<T>& context, ConstMat<T> x, ConstMat<T> dy, Mat<T> dx,
                Gradients<Acc<T>>& gradients) const;
};

/// A matrix with a row for each token, (V, C). Beside adapters, the last rows, of new tokens, are a parameter of their
/// own.
struct TokenMatrix {
  ParameterId rows, new_rows;

  TokenMatrix(const ModelConfig& config, ParameterLayout& layout, Module module, Index vocab_size);

  /// Returns the parameters that hold the rows, in the order of the rows.
  std::vector<ParameterId> parts() const { return new_rows ? std::vector{rows, new_rows} : std::vector{rows}; }
};

/// Forward results that the backward of a norm reads.
template <class T>
struct NormStatistics {
  Vec<Acc<T>> mean = no_vec<Acc<T>>();  // (N), layernorm only
  Vec<Acc<T>> rstd = no_vec<Acc<T>>();  // (N)
};

/// Layernorm or RMSNorm, as the config selects.
struct Norm {
  NormKind kind;
  double epsilon;
  ParameterId gain, bias;

  Norm(ParameterLayout& layout, Module module, Index layer, const ModelConfig& config);

  template <class T>
  NormStatistics<T> lay_out(Arena& arena, Index rows) const;

  /// Computes y and the statistics.   x, y (N, C).
  template <class T>
  void forward(const ParameterBuffer<T>& weights, ConstMat<T> x, Mat<T> y, NormStatistics<T>& statistics) const;

  /// Writes dx = dskip + the norm's own gradient; adds the parameter gradients. dskip may have no rows; dx may be dskip
  /// or dy.
  template <class T>
  void backward(const ParameterBuffer<T>& weights, ConstMat<T> x, const NormStatistics<T>& statistics, ConstMat<T> dy,
                ConstMat<T> dskip, Mat<T> dx, Gradients<Acc<T>>& gradients) const;
};

}  // namespace kiln
