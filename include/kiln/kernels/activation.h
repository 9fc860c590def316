// Applies the MLP's activation function, plain or gated, forward and backward.
#pragma once

#include "kiln/tensor/view.h"

#include <array>
#include <span>
#include <string_view>

namespace kiln {

/// relu; gelu (exact, by erf, arXiv:1606.08415); gelu_new (its tanh form); silu (arXiv:1702.03118); relu2, the square
/// of relu (arXiv:2109.08668); swiglu and geglu, silu and gelu of a gate times a second half (arXiv:2002.05202).
enum class Activation { relu, gelu, gelu_new, silu, relu2, swiglu, geglu };

/// Names in configs, in the order of the enumeration.
inline constexpr std::array<std::string_view, 7> kActivations{"relu",  "gelu",   "gelu_new", "silu",
                                                              "relu2", "swiglu", "geglu"};
inline std::span<const std::string_view> names_of(Activation) { return kActivations; }

constexpr bool is_gated(Activation a) { return a == Activation::swiglu || a == Activation::geglu; }

/// y = act(x), or act(gate) * up where the columns of x are [gate | up].   x (N, F or 2F), y (N, F).
template <class T>
void activation_forward(Activation activation, ConstMat<T> x, Mat<T> y);

/// dx = dy * act'(x), or [dy * up * act'(gate) | dy * act(gate)].   dy (N, F), dx (N, F or 2F), written; dx may be x.
template <class T>
void activation_backward(Activation activation, ConstMat<T> x, ConstMat<T> dy, Mat<T> dx);

}  // namespace kiln
