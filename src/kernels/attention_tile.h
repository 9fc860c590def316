// Computes the steps of fused attention on a tile of scores, by the causal rule between its queries and keys.
#pragma once

#include "kiln/kernels/dropout.h"
#include "kiln/kernels/sequence.h"
#include "kiln/tensor/view.h"

#include "kernels/attention_product.h"
#include "kernels/scratch.h"
#include "kernels/vectors.h"
#include <algorithm>
#include <limits>
#include <utility>

// GCC warns that vector types lose their alignment attribute as template arguments; Eigen's packets do not rely on it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"

namespace kiln::tile {

/// Queries per tile: with AVX-512 the scores of four keys fill half of the registers, four vectors each; with 16
/// registers a whole number of row blocks.
inline constexpr Index kQueries = kHasManyRegisters ? 64 : 48;
/// Keys per tile: twice the queries, so that running sums are rescaled half as often. With AVX-512 the 32 KiB of scores
/// are then read from L2, in order: at T = 1024, D = 64 the forward is 4% faster than with 64 keys, in bfloat16 6%.
inline constexpr Index kKeys = 2 * kQueries;

/// Hands out pieces of a scratch block one after the other.
template <class A>
class Pieces {
 public:
  explicit Pieces(Index count) : next_(scratch<Pieces, A>(count)) {}
  A* take(Index count) { return std::exchange(next_, next_ + count); }

 private:
  A* next_;
};

/// The causal rule between a tile of queries and a tile of keys: query i attends to key j if j <= i + reach.
struct Causal {
  Index queries, keys;  // counts in the tiles
  Index reach;          // negative if key 0 comes after query 0

  /// Returns the number of the tile's keys that query i attends to.
  Index visible(Index i) const { return std::clamp<Index>(i + reach + 1, 0, keys); }
  /// Returns the first query that attends to key j; it may lie beyond the tile.
  Index first_query(Index j) const { return std::max<Index>(0, j - reach); }
};

/// Returns the packet of queries from i on, with `value` in the lanes of those that do not attend to key j.
template <class A>
Packet<A> hide(const Causal& tile, Index i, Index j, Packet<A> packet, A value) {
  const Packet<A> query = simd::plset<Packet<A>>(static_cast<A>(i));
  const Packet<A> first = simd::pset1<Packet<A>>(static_cast<A>(j - tile.reach));
  return simd::pselect(simd::pcmp_lt(query, first), simd::pset1<Packet<A>>(value), packet);
}

/// The keys of a vector of queries: all lanes attend to the first `full`, only some lanes to the others. `end` extends
/// beyond the last visible key as far as the row blocks of the following products read.
struct KeyRange {
  Index full, end;
};
template <class A>
KeyRange keys_of_vector(const Causal& tile, Index i) {
  return {tile.visible(i), std::min(tile.keys, tile.visible(i + kLanes<A> - 1) + kRows - 1)};
}

/// Computes out = rows^T: word (w, i) at out[w * kQueries + i]. Pads the columns with zeros to whole vectors. `width`,
/// the words per row, is a multiple of the vector.
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

/// Computes scores(j, i) = sum_d keys(j, d) queries_t(d, i) for the vectors in which some query attends to key j. Both
/// factors are in words along d, `depth` of them; keys are `width` words apart.
template <class T, class A = Acc<T>>
void score_product(const Causal& tile, Index depth, const A* keys, Index width, const A* queries_t, A* scores) {
  const Index last = padded<A>(tile.queries);
  multiply(Left<T>{keys, width, 1}, queries_t, kQueries, scores, kQueries, tile.keys, false, [&](Index j, Index) {
    return Part{0, depth, std::min(tile.first_query(j) / kLanes<A> * kLanes<A>, last), last};
  });
}

/// Computes out(i, d) = sum_j weights(j, i) keys(j, d) over the keys that query i attends to; unless `first`, adds it
/// to out. Both factors are in words along j.
template <class T, class A = Acc<T>>
void add_to_queries(const Causal& tile, const A* weights, const A* keys, Index width, bool first, A* out) {
  multiply(Left<T>{weights, 1, kQueries}, keys, width, out, width, tile.queries, !first, [&](Index i, Index count) {
    return Part{0, words<T>(tile.visible(i + count - 1)), 0, width};
  });
}

/// Computes out(j, d) += sum_i weights(j, i) queries(i, d) over the queries that attend to key j. Both factors are in
/// words along i.
template <class T, class A = Acc<T>>
void add_to_keys(const Causal& tile, const A* weights, const A* queries, Index width, A* out) {
  multiply(Left<T>{weights, kQueries, 1}, queries, width, out, width, tile.keys, true, [&](Index j, Index) {
    return Part{std::min(tile.first_query(j), tile.queries) / kPerWord<T>, words<T>(tile.queries), 0, width};
  });
}

/// Subtracts slope * (distance from query i back to key j) from scores(j, i).
template <class A>
void add_alibi(const Causal& tile, A slope, A* scores) {
  for (Index i = 0; i < tile.queries; i += kLanes<A>) {
    const Packet<A> query = simd::plset<Packet<A>>(static_cast<A>(i + tile.reach));
    const Index end = keys_of_vector<A>(tile, i).end;
    for (Index j = 0; j < end; ++j) {
      const Packet<A> ahead = simd::psub(simd::pset1<Packet<A>>(static_cast<A>(j)), query);
      A* score = scores + j * kQueries + i;
      simd::pstoreu(score, simd::pmadd(simd::pset1<Packet<A>>(slope), ahead, simd::ploadu<Packet<A>>(score)));
    }
  }
}

/// Writes dropout's factors of a tile, in the order of its scores: zero where the query does not attend to the key, and
/// beyond the tile's last query and key. `element` is the number of query 0 and key 0 in sequence s; the next key's is
/// s.length more.
template <class T, class A = Acc<T>>
void dropout_factors(const Causal& tile, const Dropout& dropout, const Sequence& s, std::uint64_t element, A* factors) {
  float kept[kQueries];
  for (Index j = 0; j < words<T>(tile.keys) * kPerWord<T>; ++j) {
    const Index first = j < tile.keys ? std::min(tile.first_query(j), tile.queries) : tile.queries;
    dropout.fill(s.number, element + static_cast<std::uint64_t>(j * s.length + first), tile.queries - first,
                 kept + first);
    A* row = factors + j * kQueries;
    std::fill(row, row + first, A(0));
    std::copy(kept + first, kept + tile.queries, row + first);
    std::fill(row + tile.queries, row + padded<A>(tile.queries), A(0));
  }
}

/// log2(e), since exponentials are computed as powers of two.
template <class A>
inline constexpr A kLog2E = A(1.4426950408889634);

/// Applies the online softmax (arXiv:2205.14135), lane by lane. Updates the running maximum by this tile, and adds
/// p = exp(scale (score - maximum)) to the sum, which shrinks first by exp(scale (old maximum - maximum)), written to
/// `rescale`. Replaces the scores by p after dropout (`factors`, or null) in words across the keys. If that rounds p,
/// writes the errors to `rest`: averages of values are then as exact as in float.
template <class T, class A = Acc<T>>
void softmax_tile(const Causal& tile, A scale, const A* factors, A* scores, A* rest, A* maximum, A* sum, A* rescale) {
  constexpr A kHidden = -std::numeric_limits<A>::infinity();
  const Packet<A> unit = simd::pset1<Packet<A>>(scale * kLog2E<A>);
  for (Index i = 0; i < tile.queries; i += kLanes<A>) {
    const KeyRange keys = keys_of_vector<A>(tile, i);
    const auto load = [&](Index j) { return simd::ploadu<Packet<A>>(scores + j * kQueries + i); };
    const Packet<A> old = simd::ploadu<Packet<A>>(maximum + i);
    Packet<A> top = old;
    for (Index j = 0; j < keys.full; ++j) top = simd::pmax(top, load(j));
    for (Index j = keys.full; j < keys.end; ++j) top = simd::pmax(top, hide(tile, i, j, load(j), kHidden));
    Packet<A> total = simd::pset1<Packet<A>>(A(0));
    for (Index j = 0; j < keys.end; j += kPerWord<T>) {
      Packet<A> p[kPerWord<T>];
#pragma GCC unroll 2
      for (Index n = 0; n < kPerWord<T>; ++n) {
        p[n] = exp2<A>(simd::pmul(unit, simd::psub(load(j + n), top)));
        if (j + n >= keys.full) p[n] = hide(tile, i, j + n, p[n], A(0));
        total = simd::padd(total, p[n]);
        if (factors != nullptr) p[n] = simd::pmul(p[n], simd::ploadu<Packet<A>>(factors + (j + n) * kQueries + i));
      }
      const Packet<A> rounded = round_rows<T>(p);
      const Index at = j / kPerWord<T> * kQueries + i;
      store_across<T>(rounded, scores + at);
      if constexpr (kIsPaired<T>) store_across<T>(round_rest<T>(p, rounded), rest + at);
    }
    const Packet<A> shrink = exp2<A>(simd::pmul(unit, simd::psub(old, top)));
    simd::pstoreu(maximum + i, top);
    simd::pstoreu(sum + i, simd::pmadd(simd::ploadu<Packet<A>>(sum + i), shrink, total));
    simd::pstoreu(rescale + i, shrink);
  }
}

/// Computes delta_i = dy_i y_i, both in words along their rows, and shift_i = lse_i / log(2); zero in the lanes without
/// a query.
template <class T, class A = Acc<T>>
void load_row_terms(const A* y, const A* dy, Index row_words, ConstVec<A> lse, A* shift, A* delta) {
  std::fill_n(shift, kQueries, A(0));
  std::fill_n(delta, kQueries, A(0));
  for (Index i = 0; i < lse.size(); ++i, y += row_words, dy += row_words) {
    Packet<A> sum = simd::pset1<Packet<A>>(A(0));
    for (Index w = 0; w < row_words; w += kLanes<A>) {
      sum = multiply_add<T>(simd::ploadu<Packet<A>>(y + w), simd::ploadu<Packet<A>>(dy + w), sum);
    }
    shift[i] = kLog2E<A> * lse[i];
    delta[i] = simd::predux(sum);
  }
}

/// Replaces a tile's scores by the probabilities after dropout, and dp by the scores' gradient ds, for the following
/// products: in words along the queries. Also writes ds in words across the keys to `ds_across`.
/// p = exp(scale score - lse), y_i = sum_j m_ij p_ij v_j, with dp_ij = dy_i v_j:
/// ds_ij = scale p_ij (m_ij dp_ij - delta_i), where delta_i = sum_j m_ij p_ij dp_ij = dy_i y_i.
/// `factors` are m, or null without dropout; `shift` is lse / log(2); `rest` as in softmax_tile.
template <class T, class A = Acc<T>>
void gradient_tile(const Causal& tile, A scale, const A* shift, const A* delta, const A* factors, A* scores, A* rest,
                   A* dp, A* ds_across) {
  const Packet<A> factor = simd::pset1<Packet<A>>(scale), unit = simd::pset1<Packet<A>>(scale * kLog2E<A>);
  for (Index i = 0; i < tile.queries; i += kLanes<A>) {
    const KeyRange keys = keys_of_vector<A>(tile, i);
    const Packet<A> base = simd::ploadu<Packet<A>>(shift + i), mean = simd::ploadu<Packet<A>>(delta + i);
    for (Index j = 0; j < keys.end; j += kPerWord<T>) {
      Packet<A> dropped[kPerWord<T>], ds[kPerWord<T>];
#pragma GCC unroll 2
      for (Index n = 0; n < kPerWord<T>; ++n) {
        const Index at = (j + n) * kQueries + i;
        const Packet<A> p = exp2<A>(simd::psub(simd::pmul(unit, simd::ploadu<Packet<A>>(scores + at)), base));
        Packet<A> gradient = simd::ploadu<Packet<A>>(dp + at);
        dropped[n] = p;
        if (factors != nullptr) {
          const Packet<A> m = simd::ploadu<Packet<A>>(factors + at);
          dropped[n] = simd::pmul(p, m);
          gradient = simd::pmul(gradient, m);
        }
        ds[n] = simd::pmul(simd::pmul(factor, p), simd::psub(gradient, mean));
        if (j + n >= keys.full) {
          dropped[n] = hide(tile, i, j + n, dropped[n], A(0));
          ds[n] = hide(tile, i, j + n, ds[n], A(0));
        }
      }
      const Index along = j * kQueries + i / kPerWord<T>;
      const Packet<A> rounded_p = round_rows<T>(dropped);
      store_along<T>(rounded_p, scores + along, kQueries);
      if constexpr (kIsPaired<T>) store_along<T>(round_rest<T>(dropped, rounded_p), rest + along, kQueries);
      const Packet<A> rounded = round_rows<T>(ds);
      store_along<T>(rounded, dp + along, kQueries);
      store_across<T>(rounded, ds_across + j / kPerWord<T> * kQueries + i);
    }
  }
}

}  // namespace kiln::tile

#pragma GCC diagnostic pop
