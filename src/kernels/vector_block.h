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

/// Sums in A, which words are too: 12 x 2 vectors of them, or 6 x 2 with 16 registers.
template <class A>
struct VectorBlock : PlainPacking<A> {
  using Word = A;
  typedef A Lanes __attribute__((vector_size(kVectorBytes)));  // a `using` would lose the attribute
  using PlainPacking<A>::kPerWord;
  static constexpr Index kLanes = kVectorBytes / sizeof(A), kRows = kHas32Vectors ? 12 : 6, kVectors = 2,
                         kCols = kVectors * kLanes, kTileCols = 192;

  /// The columns of a packed panel, aligned to vectors.
  struct Packed {
    const A* panel;

    /// Loads the next word of each column.
    template <Index V>
    [[gnu::always_inline]] void next(Lanes (&columns)[V]) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) columns[v] = load(panel + v * kLanes);
      panel += kCols;
    }
  };

  /// Columns where they lie, number k of column j at from[k * stride + j], to pack in a panel while they are read.
  template <class T>
  struct ToPack {
    const T* from;
    Index stride;
    A* panel;

    template <Index V>
    [[gnu::always_inline]] void next(Lanes (&columns)[V]) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) {
        prefetch(from + kCols + v * kLanes);  // for the next panel
        columns[v] = widened(from + v * kLanes);
        store(panel + v * kLanes, columns[v]);
      }
      from += kPerWord * stride;
      panel += kCols;
    }
  };

  /// Computes sums (R, V vectors), rows `pitch` apart, (+)= left right, over `words` words, and prefetches the lines
  /// ahead. Columns: Packed or ToPack.
  template <Index R, Index V, class Columns>
  [[gnu::noinline]] static void multiply(WordsOfRows left, LinesAhead ahead, Columns right, Index words, A* sums,
                                         Index pitch, Write write) {
    constexpr Index kGroups = (R + 2) / 3;  // of three rows, which x86 reaches from one pointer
    const std::byte* group[kGroups];
#pragma GCC unroll 16
    for (Index g = 0; g < kGroups; ++g) group[g] = left.data + 3 * g * left.row;
    Lanes sum[R][V];
#pragma GCC unroll 16
    for (Index r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) {
        __builtin_prefetch(sums + r * pitch + v * kLanes);
        sum[r][v] = Lanes{};
      }
    }
    for (Index w = 0; w < words; ++w) {
      if (w % LinesAhead::kWords == 0) ahead.prefetch_some();
      Lanes columns[V];
      right.next(columns);
#pragma GCC unroll 16
      for (Index r = 0; r < R; ++r) {
        const Lanes row = Lanes{} + load_word<A>(group[r / 3] + r % 3 * left.row);
#pragma GCC unroll 16
        for (Index v = 0; v < V; ++v) sum[r][v] = sum[r][v] + row * columns[v];
      }
#pragma GCC unroll 16
      for (Index g = 0; g < kGroups; ++g) group[g] += left.step;
    }
#pragma GCC unroll 16
    for (Index r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (Index v = 0; v < V; ++v) {
        A* const out = sums + r * pitch + v * kLanes;
        store(out, write == Write::accumulate ? load(out) + sum[r][v] : sum[r][v]);
      }
    }
  }

 private:
  static Lanes load(const A* from) {
    Lanes lanes;
    std::memcpy(&lanes, from, sizeof(lanes));
    return lanes;
  }
  static void store(A* to, Lanes lanes) { std::memcpy(to, &lanes, sizeof(lanes)); }

  template <class T>
  static Lanes widened(const T* from) {
    Lanes lanes;
    for (Index l = 0; l < kLanes; ++l) lanes[l] = widen(from[l]);
    return lanes;
  }
};

}  // namespace kiln
