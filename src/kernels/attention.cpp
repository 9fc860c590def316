// Computes fused attention in tiles of queries and keys. Scores are stored key by key with the queries side by side:
// a vector holds several queries, and the softmax needs no sum across its lanes.
//
// Scores, softmax and sums are kept in Acc<T>. If the CPU multiplies pairs of bfloat16, the factors of products are
// such pairs, with probabilities and their gradients rounded to bfloat16; else they are Acc<T> too.
//
// Memory: a thread's scratch holds a few tiles, the keys and values of one key head, and in the backward their
// gradients. It grows in a model's first step and is then reused.
#include "kiln/kernels/attention.h"

#include "kiln/core/threads.h"

#include "kernels/attention_tile.h"
#include <cassert>
#include <cmath>
#include <tuple>
#include <vector>

namespace kiln {
namespace {

using namespace tile;

/// Sequences of up to so many queries are computed query by query from the keys in place: in generation most lanes of
/// a vector of queries would be empty.
constexpr Index kFewQueries = 4;

/// The arguments that forward and backward share, and their layout.
template <class T>
struct Inputs {
  using A = Acc<T>;
  const AttentionShape& shape;
  ConstMat<T> q, k, v;
  ConstVec<A> slopes;
  Dropout dropout;

  A scale() const { return A(1) / std::sqrt(static_cast<A>(shape.D)); }
  /// Returns ALiBi's slope on the scale of unscaled scores.
  A slope(Index h) const { return slopes.size() > 0 ? slopes[h] / scale() : A(0); }
  Index key_head(Index h) const { return h / (shape.H / shape.K); }
  /// Return head h of a matrix laid out like q: `count` queries of the sequence from `first` on.
  ConstMat<T> queries(ConstMat<T> m, const Sequence& s, Index h, Index first, Index count) const {
    return columns(rows(m, s.row + first, count), h * shape.D, shape.D);
  }
  Mat<T> queries(Mat<T> m, const Sequence& s, Index h, Index first, Index count) const {
    return columns(rows(m, s.row + first, count), h * shape.D, shape.D);
  }
  /// Return key head g of a matrix laid out like k: `count` keys of the sequence from `first` on.
  ConstMat<T> keys(ConstMat<T> m, const Sequence& s, Index g, Index first, Index count) const {
    return columns(rows(m, first_key(s) + first, count), g * shape.D, shape.D);
  }
  Mat<T> keys(Mat<T> m, const Sequence& s, Index g, Index first, Index count) const {
    return columns(rows(m, first_key(s) + first, count), g * shape.D, shape.D);
  }
  Index first_key(const Sequence& s) const { return shape.slot_size > 0 ? s.slot * shape.slot_size : s.row; }
  /// Returns the index in lse of query i of head h.
  Index head_row(const Sequence& s, Index h, Index i) const { return s.row * shape.H + h * s.length + i; }
  /// Returns the number of a probability within its sequence, for dropout.
  std::uint64_t element(const Sequence& s, Index h, Index i, Index j) const {
    return static_cast<std::uint64_t>((h * s.length + j) * s.length + i);
  }
};

/// The keys and values of one key head, converted once for the products of all tiles: in words along their rows, except
/// the forward's values, in words across them. `keys_across` and the gradients (S, width) are the backward's.
template <class A>
struct KeyHead {
  const A *keys, *values, *keys_across = nullptr;
  A *dkeys = nullptr, *dvalues = nullptr;
};

/// Returns the number of query tiles per head.
Index tiles_of(const Sequence& s) { return (s.length + kQueries - 1) / kQueries; }

/// Returns the number of pairs of a query and a key that it attends to: the cost of one head of a sequence.
Index pairs_of(const Sequence& s) { return s.length * s.past + s.length * (s.length + 1) / 2; }

/// A part of the work, done by one thread.
struct Unit {
  const Sequence* sequence;
  Index head;             // key head; query head for a single query
  Index part, parts = 1;  // every parts-th tile from tile `part` on; the query for a single query
  Index cost;

  bool operator<(const Unit& other) const {  // the costliest first, then in batch order
    return std::tuple(-cost, sequence->row, head, part) <
           std::tuple(-other.cost, other.sequence->row, other.head, other.part);
  }
};

/// Returns the calling thread's list of units, cleared. It reuses its memory.
std::vector<Unit>& empty_units() {
  static thread_local std::vector<Unit> units;
  units.clear();
  return units;
}

/// Returns memory for the rounding errors of a tile's probabilities; null if these are not rounded.
template <class T>
Acc<T>* take_rest(Pieces<Acc<T>>& pieces) {
  return kPerWord<T> > 1 ? pieces.take(kKeys * kQueries) : nullptr;
}

/// Computes the forward of one tile of queries, from `first` on, of head h of sequence s.
template <class T>
void forward_tile(const Inputs<T>& in, const KeyHead<Acc<T>>& head, Pieces<Acc<T>> pieces, const Sequence& s, Index h,
                  Index first, Mat<T> y, Vec<Acc<T>> lse) {
  using A = Acc<T>;
  const AttentionShape& shape = in.shape;
  const Index width = padded<A>(shape.D), depth = words<T>(shape.D), row_words = padded<A>(depth);
  const Index queries = std::min(kQueries, s.length - first), past = s.past;
  A *queries_t = pieces.take(row_words * kQueries), *out = pieces.take(kQueries * width);
  A *scores = pieces.take(kKeys * kQueries), *factors = in.dropout.active() ? pieces.take(kKeys * kQueries) : nullptr;
  A* rest = take_rest<T>(pieces);
  A *maximum = pieces.take(kQueries), *sum = pieces.take(kQueries), *rescale = pieces.take(kQueries);

  words_along_rows(in.queries(in.q, s, h, first, queries), out, row_words);  // borrowed: `out` is written later
  transpose(out, queries, row_words, queries_t);
  std::fill_n(maximum, kQueries, -std::numeric_limits<A>::infinity());
  std::fill_n(sum, kQueries, A(0));
  const Index seen = past + first + queries;  // keys of the last query
  for (Index key = 0; key < seen; key += kKeys) {
    const Causal tile{queries, std::min(kKeys, seen - key), past + first - key};
    score_product<T>(tile, depth, head.keys + key * row_words, row_words, queries_t, scores);
    if (in.slope(h) != A(0)) add_alibi(tile, in.slope(h), scores);
    if (factors != nullptr) dropout_factors<T>(tile, in.dropout, s, in.element(s, h, first, key), factors);
    softmax_tile<T>(tile, in.scale(), factors, scores, rest, maximum, sum, rescale);
    if (key > 0) narrow_rows(out, width, rescale, mat(out, queries, width));
    const A* values = head.values + words<T>(key) * width;
    add_to_queries<T>(tile, scores, values, width, key == 0, out);
    if (rest != nullptr) add_to_queries<T>(tile, rest, values, width, false, out);
  }
  Vec<A> sums(sum, queries);
  if (lse.data() != nullptr) {
    Vec<A>(lse.data() + in.head_row(s, h, first), queries) =
        in.scale() * Vec<A>(maximum, queries).array() + sums.array().log();
  }
  sums = sums.cwiseInverse();
  narrow_rows(out, width, sum, in.queries(y, s, h, first, queries));
}

/// Computes the forward of one unit: its tiles of the queries of its key head. Units of one head take tiles in turn,
/// since later tiles have more keys.
template <class T>
void forward_key_head(const Inputs<T>& in, const Unit& unit, Mat<T> y, Vec<Acc<T>> lse) {
  using A = Acc<T>;
  const AttentionShape& shape = in.shape;
  const Sequence& s = *unit.sequence;
  const Index width = padded<A>(shape.D), row_words = padded<A>(words<T>(shape.D)), g = unit.head;
  const Index key_size = s.keys() * row_words, value_size = words<T>(s.keys()) * width;
  Pieces<A> pieces(key_size + value_size + kQueries * (row_words + width + 3 * kKeys + 3));
  A *keys = pieces.take(key_size), *values = pieces.take(value_size);
  words_along_rows(in.keys(in.k, s, g, 0, s.keys()), keys, row_words);
  words_across_rows(in.keys(in.v, s, g, 0, s.keys()), values);
  const Index group = shape.H / shape.K, tiles = tiles_of(s);
  for (Index n = unit.part; n < group * tiles; n += unit.parts) {
    forward_tile(in, KeyHead<A>{keys, values}, pieces, s, g * group + n / tiles, n % tiles * kQueries, y, lse);
  }
}

/// Returns m as Acc<T>: itself, or converted into `memory`.
template <class T>
ConstMat<Acc<T>> as_acc(ConstMat<T> m, Acc<T>* memory) {
  if constexpr (std::is_same_v<T, Acc<T>>) {
    return m;
  } else {
    widen_rows(m, memory, padded<Acc<T>>(m.cols()));
    return {memory, m.rows(), m.cols(), Eigen::OuterStride<>(padded<Acc<T>>(m.cols()))};
  }
}

/// Computes the forward of query t of head h of sequence s: one row of scores, one pass each over keys and values.
template <class T>
void forward_query(const Inputs<T>& in, const Sequence& s, Index h, Index t, Mat<T> y, Vec<Acc<T>> lse) {
  using A = Acc<T>;
  const AttentionShape& shape = in.shape;
  const Index width = padded<A>(shape.D), seen = s.past + t + 1, g = in.key_head(h);
  Pieces<A> pieces((2 + kKeys) * width + padded<A>(seen));
  Vec<A> query(pieces.take(width), shape.D), out(pieces.take(width), shape.D);
  A* memory = pieces.take(kKeys * width);
  Vec<A> p(pieces.take(padded<A>(seen)), seen);

  widen_rows(in.queries(in.q, s, h, t, 1), query.data(), width);
  for (Index key = 0; key < seen; key += kKeys) {
    const Index count = std::min(kKeys, seen - key);
    p.segment(key, count).noalias() = as_acc(in.keys(in.k, s, g, key, count), memory) * query;
  }
  const A scale = in.scale(), slope = in.slope(h);
  if (slope != A(0)) {
    for (Index j = 0; j < seen; ++j) p[j] -= slope * static_cast<A>(seen - 1 - j);
  }
  const A maximum = p.maxCoeff();
  p = (scale * (p.array() - maximum)).exp();
  const A sum = p.sum();
  if (in.dropout.active()) {
    for (Index j = 0; j < seen; ++j) p[j] *= static_cast<A>(in.dropout.factor(s.number, in.element(s, h, t, j)));
  }
  out.setZero();
  for (Index key = 0; key < seen; key += kKeys) {
    const Index count = std::min(kKeys, seen - key);
    out.noalias() += as_acc(in.keys(in.v, s, g, key, count), memory).transpose() * p.segment(key, count);
  }
  if (lse.data() != nullptr) lse[in.head_row(s, h, t)] = scale * maximum + std::log(sum);
  const A inverse = A(1) / sum;
  narrow_rows(out.data(), width, &inverse, in.queries(y, s, h, t, 1));
}

/// Returns m in words across its rows: `along` (m in words along its rows) if that is the same, else writes `memory`.
template <class T, class A = Acc<T>>
const A* across_rows(ConstMat<T> m, const A* along, A* memory) {
  if constexpr (kPerWord<T> == 1) return along;
  words_across_rows(m, memory);
  return memory;
}

/// The arguments of the backward alone.
template <class T>
struct Gradients {
  ConstMat<T> y;
  ConstVec<Acc<T>> lse;
  ConstMat<T> dy;
  Mat<T> dq, dk, dv;
};

/// Computes the backward of a tile of queries from `first` on: writes dq, adds to the key head's dkeys and dvalues.
template <class T>
void backward_tile(const Inputs<T>& in, const Gradients<T>& out, const KeyHead<Acc<T>>& head, Pieces<Acc<T>> pieces,
                   const Sequence& s, Index h, Index first) {
  using A = Acc<T>;
  const Index width = padded<A>(in.shape.D), depth = words<T>(in.shape.D), row_words = padded<A>(depth);
  const Index queries = std::min(kQueries, s.length - first);
  const auto take_tile = [&] { return pieces.take(kQueries * width); };
  A *q = take_tile(), *q_t = take_tile(), *q_memory = take_tile(), *dq = take_tile();
  A *dy = take_tile(), *dy_t = take_tile(), *dy_memory = take_tile();
  A *shift = pieces.take(kQueries), *delta = pieces.take(kQueries);
  A *scores = pieces.take(kKeys * kQueries), *dp = pieces.take(kKeys * kQueries);
  A* ds_across = kPerWord<T> == 1 ? dp : pieces.take(kKeys / kPerWord<T> * kQueries);
  A* rest = take_rest<T>(pieces);
  A* factors = in.dropout.active() ? pieces.take(kKeys * kQueries) : nullptr;

  const ConstMat<T> q_rows = in.queries(in.q, s, h, first, queries), dy_rows = in.queries(out.dy, s, h, first, queries);
  words_along_rows(q_rows, q, row_words);
  words_along_rows(dy_rows, dy, row_words);
  transpose(q, queries, row_words, q_t);
  transpose(dy, queries, row_words, dy_t);
  const A *q_across = across_rows(q_rows, q, q_memory), *dy_across = across_rows(dy_rows, dy, dy_memory);
  words_along_rows(in.queries(out.y, s, h, first, queries), dq, row_words);  // borrowed: dq is written later
  load_row_terms<T>(dq, dy, row_words, ConstVec<A>(out.lse.data() + in.head_row(s, h, first), queries), shift, delta);
  for (Index key = 0; key < first + queries; key += kKeys) {
    const Causal tile{queries, std::min(kKeys, first + queries - key), first - key};
    score_product<T>(tile, depth, head.keys + key * row_words, row_words, q_t, scores);
    score_product<T>(tile, depth, head.values + key * row_words, row_words, dy_t, dp);
    if (in.slope(h) != A(0)) add_alibi(tile, in.slope(h), scores);
    if (factors != nullptr) {
      dropout_factors<T>(tile, in.dropout, s, in.element(s, h, first, key), factors);
    }
    gradient_tile<T>(tile, in.scale(), shift, delta, factors, scores, rest, dp, ds_across);
    add_to_keys<T>(tile, scores, dy_across, width, head.dvalues + key * width);
    if (rest != nullptr) add_to_keys<T>(tile, rest, dy_across, width, head.dvalues + key * width);
    add_to_keys<T>(tile, dp, q_across, width, head.dkeys + key * width);
    add_to_queries<T>(tile, ds_across, head.keys_across + words<T>(key) * width, width, key == 0, dq);
  }
  narrow_rows(dq, width, static_cast<const A*>(nullptr), in.queries(out.dq, s, h, first, queries));
}

/// Returns the number of elements of a thread's scratch in the backward.
template <class A>
Index backward_scratch(Index length, Index head_size) {
  const Index width = padded<A>(head_size);
  return 5 * length * width + 7 * kQueries * width + (5 * kKeys + 2) * kQueries;
}

/// Computes the backward of key head g of a sequence and of the query heads that read it, one after the other. One
/// thread sums all gradients of a key head, in a fixed order.
template <class T>
void backward_key_head(const Inputs<T>& in, const Gradients<T>& out, const Sequence& s, Index g) {
  using A = Acc<T>;
  const AttentionShape& shape = in.shape;
  const Index width = padded<A>(shape.D), row_words = padded<A>(words<T>(shape.D));
  const Index size = s.length * width, group = shape.H / shape.K;
  Pieces<A> pieces(backward_scratch<A>(s.length, shape.D));
  A *keys = pieces.take(size), *keys_memory = pieces.take(size), *values = pieces.take(size);
  A *dkeys = pieces.take(size), *dvalues = pieces.take(size);
  const ConstMat<T> key_rows = in.keys(in.k, s, g, 0, s.length);
  words_along_rows(key_rows, keys, row_words);
  words_along_rows(in.keys(in.v, s, g, 0, s.length), values, row_words);
  const KeyHead<A> head{keys, values, across_rows(key_rows, keys, keys_memory), dkeys, dvalues};
  std::fill_n(dkeys, size, A(0));
  std::fill_n(dvalues, size, A(0));
  for (Index h = g * group; h < (g + 1) * group; ++h) {
    for (Index first = 0; first < s.length; first += kQueries) backward_tile(in, out, head, pieces, s, h, first);
  }
  narrow_rows(dkeys, width, static_cast<const A*>(nullptr), in.keys(out.dk, s, g, 0, s.length));
  narrow_rows(dvalues, width, static_cast<const A*>(nullptr), in.keys(out.dv, s, g, 0, s.length));
}

/// Zeroes the rows after the last sequence.
template <class T>
void clear_rest(const AttentionShape& shape, Mat<T> m) {
  const Index end = rows_in(shape.sequences);
  rows(m, end, m.rows() - end).setZero();
}

[[maybe_unused]] bool is_valid(const AttentionShape& shape, bool needs_no_past) {
  Index row = 0;
  for (const Sequence& s : shape.sequences) {
    if (s.row != row || s.length < 1 || s.past < 0 || (needs_no_past && s.past > 0)) return false;
    if (shape.slot_size == 0 && s.past > 0) return false;
    row += s.length;
  }
  return shape.H % shape.K == 0;
}

}  // namespace

std::vector<double> alibi_slopes(Index heads) {
  // The first heads take the slopes of the largest power of two P among them, 2^(-8(h+1)/P); the rest take every
  // second slope of 2P heads: 2^(-8(2h+1)/2P).
  Index power = 1;
  while (power * 2 <= heads) power *= 2;
  std::vector<double> slopes;
  for (Index h = 0; h < heads; ++h) {
    const double exponent = h < power ? static_cast<double>(h + 1) : static_cast<double>(h - power) + 0.5;
    slopes.push_back(std::exp2(-8.0 * exponent / static_cast<double>(power)));
  }
  return slopes;
}

template <class T>
void attention_forward(const AttentionShape& shape, ConstMat<T> q, ConstMat<T> k, ConstMat<T> v,
                       ConstVec<Acc<T>> slopes, Dropout dropout, Mat<T> y, Vec<Acc<T>> lse) {
  assert(is_valid(shape, dropout.active()));
  const Inputs<T> in{shape, q, k, v, slopes, dropout};
  const Index group = shape.H / shape.K;
  Index all_pairs = 0;
  for (const Sequence& s : shape.sequences) all_pairs += pairs_of(s) * shape.K;
  std::vector<Unit>& units = empty_units();
  for (const Sequence& s : shape.sequences) {
    if (s.length <= kFewQueries) {
      for (Index h = 0; h < shape.H; ++h) {
        for (Index t = 0; t < s.length; ++t) units.push_back({&s, h, t, 1, s.past + t + 1});
      }
      continue;
    }
    // Enough units to balance the threads, but no more: each unit converts its key head again.
    const Index parts = std::clamp<Index>(4 * threads() * pairs_of(s) / all_pairs, 1, group * tiles_of(s));
    for (Index g = 0; g < shape.K; ++g) {
      for (Index part = 0; part < parts; ++part) units.push_back({&s, g, part, parts, group * pairs_of(s) / parts});
    }
  }
  std::sort(units.begin(), units.end());
  parallel_each(std::ssize(units), [&in, &units, y, lse](Index i) {
    const Unit& unit = units[static_cast<std::size_t>(i)];
    if (unit.sequence->length <= kFewQueries) {
      forward_query(in, *unit.sequence, unit.head, unit.part, y, lse);
    } else {
      forward_key_head(in, unit, y, lse);
    }
  });
  clear_rest(shape, y);
}

// y_i = sum_j m_ij p_ij v_j, p = softmax(q k^T / sqrt(D) - slope (i - j)); see gradient_tile.
template <class T>
void attention_backward(const AttentionShape& shape, ConstMat<T> q, ConstMat<T> k, ConstMat<T> v,
                        ConstVec<Acc<T>> slopes, Dropout dropout, ConstMat<T> y, ConstVec<Acc<T>> lse, ConstMat<T> dy,
                        Mat<T> dq, Mat<T> dk, Mat<T> dv) {
  assert(is_valid(shape, true));
  const Inputs<T> in{shape, q, k, v, slopes, dropout};
  const Gradients<T> out{y, lse, dy, dq, dk, dv};
  std::vector<Unit>& units = empty_units();
  for (const Sequence& s : shape.sequences) {
    for (Index g = 0; g < shape.K; ++g) units.push_back({&s, g, 0, 1, pairs_of(s)});
  }
  std::sort(units.begin(), units.end());
  parallel_each(std::ssize(units), [&in, &out, &units](Index i) {
    const Unit& unit = units[static_cast<std::size_t>(i)];
    backward_key_head(in, out, *unit.sequence, unit.head);
  });
  for (const Mat<T>& gradient : {dq, dk, dv}) clear_rest(shape, gradient);
}

template <class T>
std::size_t attention_scratch_bytes(Index length, Index head_size) {
  return static_cast<std::size_t>(backward_scratch<Acc<T>>(length, head_size)) * sizeof(Acc<T>);
}

#define KILN_INSTANTIATE(T)                                                                                           \
  template std::size_t attention_scratch_bytes<T>(Index, Index);                                                      \
  template void attention_forward<T>(const AttentionShape&, ConstMat<T>, ConstMat<T>, ConstMat<T>, ConstVec<Acc<T>>,  \
                                     Dropout, Mat<T>, Vec<Acc<T>>);                                                   \
  template void attention_backward<T>(const AttentionShape&, ConstMat<T>, ConstMat<T>, ConstMat<T>, ConstVec<Acc<T>>, \
                                      Dropout, ConstMat<T>, ConstVec<Acc<T>>, ConstMat<T>, Mat<T>, Mat<T>, Mat<T>);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
