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
// Rows of a block, and vectors in each: 24 sums in 32 registers, or 12 in 16.
#if defined(__aarch64__)
inline constexpr Index kVectorRows = 8, kVectorsOfRow = 3;
#elif defined(__AVX512F__)
inline constexpr Index kVectorRows = 12, kVectorsOfRow = 2;
#else
inline constexpr Index kVectorRows = 6, kVectorsOfRow = 2;
#endif

#define KILN_BLOCK_TARGET  // the build's

/// Sums in A, which words are too.
template <class A>
struct VectorBlock : PlainPacking<A, 1> {
  using Word = A;
  typedef A Vector __attribute__((vector_size(kVectorBytes)));  // a `using` would lose the attribute
  using PlainPacking<A, 1>::kPerWord;
  static constexpr Index kLanes = kVectorBytes / sizeof(A), kRows = kVectorRows, kVectors = kVectorsOfRow,
                         kCols = kVectors * kLanes, kTileCols = 192;

  static Vector load(const A* from) {
    Vector lanes;
    std::memcpy(&lanes, from, sizeof(lanes));
    return lanes;
  }
  static Vector load_aligned(const A* from) { return load(from); }
  static void store(A* to, Vector lanes) { std::memcpy(to, &lanes, sizeof(lanes)); }
  static void store_aligned(A* to, Vector lanes) { store(to, lanes); }
  static Vector left_factor(const std::byte* word, Index /*row*/) {
    return load_word<A>(word) - Vector{};  // + would cost an addition, since it changes -0
  }
  static Vector multiply_add(Vector left, Vector right, Vector sum) { return sum + left * right; }
  static void write_sums(A* out, Index /*pitch*/, Vector sums, Write write) {
    store(out, write == Write::accumulate ? load(out) + sums : sums);
  }

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
