// What fused attention is made of: tiles in scratch memory, their products, and the causal rule between them.
#pragma once

#include "kiln/kernels/attention_vector.h"
#include "kiln/tensor/convert.h"
#include "kiln/tensor/view.h"

#include <algorithm>
#include <utility>
#include <vector>

// GCC warns that vector types lose their alignment attribute as template arguments; Eigen's packets do not rely on it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"

namespace kiln::tile {

/// Queries a tile: with AVX-512 the scores of four keys fill half of the registers, four vectors each.
inline constexpr Index kQueries = 64;
/// Keys a tile: twice the queries, so that running sums are rescaled half as often; the 32 KiB of scores then come from
/// the second-level cache, in order. Measured at T = 1024, D = 64: forward 4% faster than with 64 keys, 9% than
/// with 32.
inline constexpr Index kKeys = 128;
/// The block of a product that stays in registers: kRows x kVectors sums, enough to hide the latency of a fused
/// multiply-add, beside kVectors of the right factor and one of the left.
inline constexpr Index kRows = 4;
inline constexpr Index kVectors = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 4 : 2;

/// This thread's scratch memory for `count` numbers, contents arbitrary but initialised. It grows to the largest size
/// ever asked for and is then used again, so that only a model's first step allocates.
template <class A>
A* scratch(Index count) {
  static thread_local std::vector<A, Eigen::aligned_allocator<A>> memory;
  if (memory.size() < static_cast<std::size_t>(count)) memory.resize(static_cast<std::size_t>(count));
  return memory.data();
}

/// Hands out pieces of a scratch block one after the other.
template <class A>
class Pieces {
 public:
  explicit Pieces(Index count) : next_(scratch<A>(count)) {}
  A* take(Index count) { return std::exchange(next_, next_ + count); }

 private:
  A* next_;
};

/// The causal rule between a tile of queries and a tile of keys: query i sees key j where j <= i + reach.
struct Causal {
  Index queries, keys;  // how many there are in the tiles
  Index reach;          // negative for keys that lie ahead of query 0

  /// How many of the tile's keys query i sees.
  Index visible(Index i) const { return std::clamp<Index>(i + reach + 1, 0, keys); }
  /// The first query that sees key j; may lie beyond the tile.
  Index first_query(Index j) const { return std::max<Index>(0, j - reach); }
};

/// The packet with `value` in the lanes of those queries from i on that do not see key j.
template <class A>
Packet<A> hide(const Causal& tile, Index i, Index j, Packet<A> packet, A value) {
  const Packet<A> query = simd::plset<Packet<A>>(static_cast<A>(i));
  const Packet<A> first = simd::pset1<Packet<A>>(static_cast<A>(j - tile.reach));
  return simd::pselect(simd::pcmp_lt(query, first), simd::pset1<Packet<A>>(value), packet);
}

/// The keys that a vector of queries works through: each lane sees the first `full`, some lane may see the others.
/// `end` goes as far beyond the last visible key as the blocks of rows of the products that follow read.
struct KeyRange {
  Index full, end;
};
template <class A>
KeyRange keys_of_vector(const Causal& tile, Index i) {
  return {tile.visible(i), std::min(tile.keys, tile.visible(i + kLanes<A> - 1) + kRows - 1)};
}

/// out = rows^T: word (w, i) at out[w * kQueries + i]. The columns are filled up with zeros to whole vectors; `width`,
/// a row's words, is a multiple of the vector.
template <class A>
void transpose(const A* rows, Index count, Index width, A* out) {
  constexpr Index kLane = kLanes<A>;
  simd::PacketBlock<Packet<A>, static_cast<int>(kLane)> block;
  for (Index i = 0; i < count; i += kLane) {
    for (Index w = 0; w < width; w += kLane) {
      for (Index r = 0; r < kLane; ++r) {
        block.packet[r] =
            i + r < count ? simd::ploadu<Packet<A>>(rows + (i + r) * width + w) : simd::pset1<Packet<A>>(A(0));
      }
      simd::ptranspose(block);
      for (Index r = 0; r < kLane; ++r) simd::pstoreu(out + (w + r) * kQueries + i, block.packet[r]);
    }
  }
}

/// Holds a vector in its register. GCC 12 would fold the load into each multiply-add that uses it, and a load a
/// multiply-add is more than the load unit delivers: 88 instead of 103 GFLOP/s (Zen 4, one core, peak 117).
template <class P>
void hold([[maybe_unused]] P& packet) {
#if defined(__GNUC__) && defined(__AVX__)
  asm("" : "+v"(packet));
#endif
}

/// A matrix in scratch memory as a product's left factor, in words of T: word (r, k) at data[r * row + k * depth].
template <class T>
struct Left {
  const Acc<T>* data;
  Index row, depth;
};

/// What a block of rows of a product needs: sums over the words [begin, end) of its depth, for columns [first, last),
/// whole vectors.
struct Part {
  Index begin, end, first, last;
};

/// R rows and V vectors of c = a b or, accumulating, c += a b; b holds words, c numbers. Rows of b and c are b_row and
/// c_row apart.
template <Index R, Index V, class T, class A = Acc<T>>
void multiply_block(Left<T> a, const A* b, Index b_row, A* c, Index c_row, Index depth, bool accumulate) {
  constexpr Index kLane = kLanes<A>;
  Packet<A> sum[R][V];
#pragma GCC unroll 8
  for (Index r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (Index v = 0; v < V; ++v) {
      sum[r][v] = accumulate ? simd::ploadu<Packet<A>>(c + r * c_row + v * kLane) : simd::pset1<Packet<A>>(A(0));
    }
  }
  for (Index k = 0; k < depth; ++k) {
    Packet<A> right[V];
#pragma GCC unroll 8
    for (Index v = 0; v < V; ++v) right[v] = simd::ploadu<Packet<A>>(b + k * b_row + v * kLane);
#pragma GCC unroll 8
    for (Index v = 0; v < V; ++v) hold(right[v]);
#pragma GCC unroll 8
    for (Index r = 0; r < R; ++r) {
      const Packet<A> left = simd::pset1<Packet<A>>(a.data[r * a.row + k * a.depth]);
#pragma GCC unroll 8
      for (Index v = 0; v < V; ++v) sum[r][v] = multiply_add<T>(left, right[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (Index r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (Index v = 0; v < V; ++v) simd::pstoreu(c + r * c_row + v * kLane, sum[r][v]);
  }
}

/// R rows of a product, cut into blocks of columns.
template <Index R, class T, class A = Acc<T>>
void multiply_rows(Left<T> a, const A* b, Index b_row, A* c, Index c_row, Part part, bool accumulate) {
  static_assert(kVectors == 2 || kVectors == 4);
  a.data += part.begin * a.depth;
  b += part.begin * b_row;
  const Index depth = part.end - part.begin;
  for (Index column = part.first; column < part.last; column += kVectors * kLanes<A>) {
    const auto run = [&]<Index V>() {
      multiply_block<R, V>(a, b + column, b_row, c + column, c_row, depth, accumulate);
    };
    const Index vectors = std::min(kVectors, (part.last - column) / kLanes<A>);
    if (vectors == 1) {
      run.template operator()<1>();
    } else if (vectors == 2) {
      run.template operator()<2>();
    } else if constexpr (kVectors > 2) {
      vectors == 3 ? run.template operator()<3>() : run.template operator()<4>();
    }
  }
}

/// c = a b or c += a b over what a causal tile needs: part_of(r, n) names the part for rows [r, r + n).
template <class T, class PartOf, class A = Acc<T>>
void multiply(Left<T> a, const A* b, Index b_row, A* c, Index c_row, Index rows, bool accumulate, PartOf&& part_of) {
  Index r = 0;
  for (; r + kRows <= rows; r += kRows) {
    multiply_rows<kRows>(Left<T>{a.data + r * a.row, a.row, a.depth}, b, b_row, c + r * c_row, c_row, part_of(r, kRows),
                         accumulate);
  }
  for (; r < rows; ++r) {
    multiply_rows<1>(Left<T>{a.data + r * a.row, a.row, a.depth}, b, b_row, c + r * c_row, c_row, part_of(r, 1),
                     accumulate);
  }
}

}  // namespace kiln::tile

#pragma GCC diagnostic pop
