// Selects the type of a model's computation.
#pragma once

#include "kiln/tensor/view.h"

#include <array>
#include <span>
#include <string_view>

namespace kiln {

/// The precision of activations and matrix products. `automatic` means bf16 if the CPU has instructions for it.
enum class Precision { fp32, bf16, automatic };
inline constexpr std::array<std::string_view, 3> kPrecisions{"fp32", "bf16", "auto"};
inline std::span<const std::string_view> names_of(Precision) { return kPrecisions; }

/// Returns the precision itself, or what `automatic` means on this machine: fp32 or bf16.
Precision resolved(Precision precision);

/// Calls body.operator()<T>() with the element type of models of this precision: float or bfloat16.
template <class Body>
decltype(auto) with_precision(Precision precision, Body&& body) {
  if (resolved(precision) == Precision::bf16) return body.template operator()<bfloat16>();
  return body.template operator()<float>();
}

}  // namespace kiln
