// Computes blocks of sums with the compiler's vector types (GCC and Clang), which map to the registers of the build's
// architecture, for VectorMicrokernel.
#pragma once

#include "kernels/packing.h"

namespace kiln {

#if defined(__AVX512F__)
inline constexpr Index kVectorBytes = 64;
#elif defined(__AVX__)
inline constexpr Index kVectorBytes = 32;
#else
inline constexpr Index kVectorBytes = 16;
#endif
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr bool kHas32Vectors = true;
#else
inline constexpr bool kHas32Vectors = false;
#endif

#define KILN_BLOCK_TARGET  // the build's

/// Sums in A, which words are too: 12 x 2 vectors of them, or 6 x 2 with 16 registers.
template <class A>
struct VectorBlock : PlainPacking<A> {
  using Word = A;
  typedef A Vector __attribute__((vector_size(kVectorBytes)));  // a `using` would lose the attribute
  using PlainPacking<A>::kPerWord;
  static constexpr Index kLanes = kVectorBytes / sizeof(A), kRows = kHas32Vectors ? 12 : 6, kVectors = 2,
                         kCols = kVectors * kLanes, kTileCols = 192;

  static Vector load(const A* from) {
    Vector lanes;
    std::memcpy(&lanes, from, sizeof(lanes));
    return lanes;
  }
  static Vector load_aligned(const A* from) { return load(from); }
  static void store(A* to, Vector lanes) { std::memcpy(to, &lanes, sizeof(lanes)); }
  static void store_aligned(A* to, Vector lanes) { store(to, lanes); }
  static Vector broadcast(A word) { return Vector{} + word; }
  static Vector add(Vector a, Vector b) { return a + b; }
  static Vector multiply_add(Vector left, Vector right, Vector sum) { return sum + left * right; }

  /// Returns a number of each of kLanes neighbouring lines.
  template <class T>
  static Vector across(const T* from, Index /*stride*/) {
    Vector lanes;
    for (Index l = 0; l < kLanes; ++l) lanes[l] = widen(from[l]);
    return lanes;
  }

#include "kernels/block_of_sums.inc"
};

}  // namespace kiln
