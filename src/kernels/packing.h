// Describes the words of a product's factors and packs them in plain loops, for VectorMicrokernel and its blocks.
#pragma once

#include "kiln/tensor/convert.h"
#include "kiln/tensor/view.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace kiln {

/// Words of a few rows: word w of row r lies at data + r * row + w * step, in bytes.
struct WordsOfRows {
  const std::byte* data;
  Index row, step;
};

/// Starts to load a line of the cache into the L2 cache. In the L1 cache it would displace what is in use.
inline void prefetch(const void* line) { __builtin_prefetch(line, 0, 2); }

/// Lines that a block prefetches while it computes, one of each run for every kWords words of its depth: the processor
/// drops prefetches that come all at once. The addresses may lie beyond a matrix.
struct LinesAhead {
  static constexpr Index kWords = 16;

  struct Run {
    Run(const void* first, Index step) : next(reinterpret_cast<std::uintptr_t>(first)), step(step) {}
    std::uintptr_t next;
    Index step;  // bytes
  };
  Run left, right;

  void prefetch_some() {
    for (Run* const run : {&left, &right}) {
      prefetch(reinterpret_cast<const void*>(run->next));
      run->next += static_cast<std::uintptr_t>(run->step);
    }
  }
};

/// Returns the word that lies here.
template <class A>
A load_word(const std::byte* here) {
  A word;
  std::memcpy(&word, here, sizeof(word));
  return word;
}

/// A line of a factor along the depth, number k at data[k * stride], as words of PerWord numbers.
template <class T, Index PerWord>
struct WordsOfLine {
  const T* data;
  Index stride, depth;

  Index count() const { return (depth + PerWord - 1) / PerWord; }

  /// Returns word w, with 0 for a number beyond the depth.
  auto operator[](Index w) const {
    if constexpr (PerWord == 1) {
      return widen(data[w * stride]);
    } else {
      std::array<T, PerWord> numbers;
      for (Index n = 0, k = PerWord * w; n < PerWord; ++n, ++k) {
        numbers[static_cast<std::size_t>(n)] = k < depth ? data[k * stride] : T(0);
      }
      return std::bit_cast<std::conditional_t<PerWord == 2, float, std::uint64_t>>(numbers);
    }
  }
};

/// Packs words of PerWord numbers: one number widened to Word, or more of them as they are. Blocks with vectors of
/// their own do the same, and leave these loops the rest.
template <class Word, Index PerWord>
struct PlainPacking {
  static constexpr Index kPerWord = PerWord;

  /// Packs a panel of Lines lines: out[w * Lines + l] = word w of line l, for l < lines <= Lines. Number k of a line
  /// lies at from[k * stride + l]. The lanes of missing lines hold arbitrary words.
  template <Index Lines, class T>
  static void interleave(const T* from, Index stride, Index lines, Index depth, Word* out) {
    const Index words = WordsOfLine<T, PerWord>{from, stride, depth}.count();
    for (Index w = 0; w < words; ++w, out += Lines) {
      for (Index l = 0; l < lines; ++l) out[l] = WordsOfLine<T, PerWord>{from + l, stride, depth}[w];
    }
  }

  /// Packs such a panel from lines whose number k lies at from[l * stride + k].
  template <Index Lines, class T>
  static void transpose(const T* from, Index stride, Index lines, Index depth, Word* out) {
    for (Index l = 0; l < lines; ++l, from += stride) {
      const WordsOfLine<T, PerWord> line{from, 1, depth};
      for (Index w = 0; w < line.count(); ++w) out[w * Lines + l] = line[w];
    }
  }

  /// Copies such lines: out[l * pitch + w] = word w of line l.
  template <class T>
  static void lay_out(const T* from, Index stride, Index lines, Index depth, Word* out, Index pitch) {
    for (Index l = 0; l < lines; ++l, from += stride, out += pitch) {
      const WordsOfLine<T, PerWord> line{from, 1, depth};
      for (Index w = 0; w < line.count(); ++w) out[w] = line[w];
    }
  }

  /// Rounds sums to T.
  template <class T>
  static void round(const Acc<T>* sums, T* out, Index count) {
    for (Index i = 0; i < count; ++i) out[i] = narrow<T>(sums[i]);
  }
};

}  // namespace kiln
