// Adds a low-rank update to a linear layer (LoRA, arXiv:2106.09685).
#pragma once

#include "kiln/nn/forward_context.h"
#include "kiln/nn/lora_config.h"
#include "kiln/tensor/arena.h"
#include "kiln/tensor/parameters.h"

#include <vector>

namespace kiln {

/// An adapter of y = x W: adds scale dropout(x) A B to y. Where a family stores W as G matrices side by side (a Llama's
/// Q, K, V), each has an A and a B of its own: A (in, G R) holds the As side by side, the columns of group g of B (R,
/// out) are its B. B starts at zero, so that the adapter changes nothing at first.
class Adapter {
 public:
  /// Registers the module's lora_A and lora_B. `groups` are the widths of W's groups.
  Adapter(const LoraConfig& lora, ParameterLayout& layout, Module module, Index layer, Index in,
          std::vector<Index> groups);

  /// Adds to y.   x (N, in), y (N, out).
  template <class T>
  void forward(const ForwardContext<T>& context, ConstMat<T> x, Mat<T> y) const;

  /// Adds to dx and to the gradients of A and B.   dy (N, out), dx (N, in).
  template <class T>
  void backward(const ForwardContext<T>& context, ConstMat<T> x, ConstMat<T> dy, Mat<T> dx,
                Gradients<Acc<T>>& gradients) const;

 private:
  template <class T>
  ConstMat<T> input(const ForwardContext<T>& context, ConstMat<T> x) const;
  template <class T>
  Mat<T> project(const ForwardContext<T>& context, ConstMat<T> x) const;
  Dropout dropout(const StepContext& step) const;

  ParameterId a_, b_;
  std::vector<Index> groups_;
  Index rank_;
  double scale_, dropout_;
};

/// Lays out the scratch that all adapters of a model share, for N rows; nothing for a model without adapters.
template <class T>
AdapterScratch<T> lay_out_adapter_scratch(Arena& arena, const ParameterLayout& layout, const LoraConfig& lora, Index N,
                                          bool backward);

/// Adds scale A B to the weights that adapters adapt, and copies the rows of new tokens and a score head. `weights` is
/// over the layout of the same model without adapters. T is float or bfloat16.
template <class T>
void merge_adapters(const LoraConfig& lora, const ParameterBuffer<float>& adapters, ParameterBuffer<T>& weights);

}  // namespace kiln
