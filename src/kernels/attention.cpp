// Fused attention in tiles of queries and keys. Scores lie key by key with the queries side by side, so that one
// vector works on as many queries at once and nothing is ever summed across its lanes.
//
// Scores, softmax and sums are kept in Acc<T>. Where the processor multiplies pairs of bfloat16, the factors of its
// products are made of such pairs, probabilities and their gradients rounded to them; elsewhere of Acc<T> as well.
//
// Memory: a thread's scratch holds a few tiles, the keys and values of one key head, and in the backward their
// gradients; it grows in a model's first step and is then used again.
#include "kiln/kernels/attention.h"

#include "kiln/core/threads.h"

#include "kernels/attention_tile.h"
#include <cassert>
#include <cmath>

namespace kiln {
namespace {

using namespace tile;

/// Up to here queries are worked on one by one, reading the keys in place: in generation most lanes of a vector of
/// queries would be empty.
constexpr Index kFewQueries = 4;

/// The arguments that forward and backward share, and where things lie in them.
template <class T>
struct Inputs {
  using A = Acc<T>;
  const AttentionShape& shape;
  ConstMat<T> q, k, v;
  ConstVec<A> slopes;
  Dropout dropout;

  A scale() const { return A(1) / std::sqrt(static_cast<A>(shape.D)); }
  /// Of ALiBi, on the scale of scores before they are scaled.
  A slope(Index h) const { return slopes.size() > 0 ? slopes[h] / scale() : A(0); }
  Index key_head(Index h) const { return h / (shape.H / shape.K); }
  /// Rows of head h of a matrix that lies like q.
  ConstMat<T> queries(ConstMat<T> m, Index b, Index h, Index first, Index count) const {
    return columns(rows(m, b * shape.T + first, count), h * shape.D, shape.D);
  }
  Mat<T> queries(Mat<T> m, Index b, Index h, Index first, Index count) const {
    return columns(rows(m, b * shape.T + first, count), h * shape.D, shape.D);
  }
  /// Rows of key head g of a matrix that lies like k.
  ConstMat<T> keys(ConstMat<T> m, Index b, Index g, Index first, Index count) const {
    return columns(rows(m, b * shape.key_stride + first, count), g * shape.D, shape.D);
  }
  Mat<T> keys(Mat<T> m, Index b, Index g, Index first, Index count) const {
    return columns(rows(m, b * shape.key_stride + first, count), g * shape.D, shape.D);
  }
  /// Dropout's number of a probability.
  std::uint64_t element(Index b, Index h, Index i, Index j) const {
    return static_cast<std::uint64_t>(((b * shape.H + h) * shape.S + j) * shape.T + i);
  }
};

/// The keys and values of one key head, made ready for the products of all the tiles that read them: in words along
/// their rows, but the forward's values across them. `keys_across` and the gradients, (S, width), the backward adds.
template <class A>
struct KeyHead {
  const A *keys, *values, *keys_across = nullptr;
  A *dkeys = nullptr, *dvalues = nullptr;
};

/// Tiles that one head's queries take.
Index tiles_of(const AttentionShape& shape) { return (shape.T + kQueries - 1) / kQueries; }

/// Room for what rounding takes from a tile's probabilities, or null where they are not rounded.
template <class T>
Acc<T>* take_rest(Pieces<Acc<T>>& pieces) {
  return kPerWord<T> > 1 ? pieces.take(kKeys * kQueries) : nullptr;
}

/// Forward for the queries from `first` on, at most a tile of them, of head h of sequence b.
template <class T>
void forward_tile(const Inputs<T>& in, const KeyHead<Acc<T>>& head, Pieces<Acc<T>> pieces, Index b, Index h,
                  Index first, Mat<T> y, Mat<Acc<T>> log_sum) {
  using A = Acc<T>;
  const AttentionShape& shape = in.shape;
  const Index width = padded<A>(shape.D), depth = words<T>(shape.D), row_words = padded<A>(depth);
  const Index queries = std::min(kQueries, shape.T - first), past = shape.S - shape.T;
  A *queries_t = pieces.take(row_words * kQueries), *out = pieces.take(kQueries * width);
  A *scores = pieces.take(kKeys * kQueries), *factors = in.dropout.active() ? pieces.take(kKeys * kQueries) : nullptr;
  A* rest = take_rest<T>(pieces);
  A *maximum = pieces.take(kQueries), *sum = pieces.take(kQueries), *rescale = pieces.take(kQueries);

  words_along_rows(in.queries(in.q, b, h, first, queries), out, row_words);  // borrowed: `out` is written later
  transpose(out, queries, row_words, queries_t);
  std::fill_n(maximum, kQueries, -std::numeric_limits<A>::infinity());
  std::fill_n(sum, kQueries, A(0));
  const Index seen = past + first + queries;  // by the last query
  for (Index key = 0; key < seen; key += kKeys) {
    const Causal tile{queries, std::min(kKeys, seen - key), past + first - key};
    score_product<T>(tile, depth, head.keys + key * row_words, row_words, queries_t, scores);
    if (in.slope(h) != A(0)) add_alibi(tile, in.slope(h), scores);
    if (factors != nullptr) dropout_factors<T>(tile, in.dropout, in.element(b, h, first, key), shape.T, factors);
    softmax_tile<T>(tile, in.scale(), factors, scores, rest, maximum, sum, rescale);
    if (key > 0) narrow_rows(out, width, rescale, mat(out, queries, width));
    const A* values = head.values + words<T>(key) * width;
    add_to_queries<T>(tile, scores, values, width, key == 0, out);
    if (rest != nullptr) add_to_queries<T>(tile, rest, values, width, false, out);
  }
  Vec<A> sums(sum, queries);
  if (log_sum.data() != nullptr) {
    Vec<A>(row(log_sum, b * shape.H + h) + first, queries) =
        in.scale() * Vec<A>(maximum, queries).array() + sums.array().log();
  }
  sums = sums.cwiseInverse();
  narrow_rows(out, width, sum, in.queries(y, b, h, first, queries));
}

/// Forward for one of `shares` shares of the query tiles that read key head g of sequence b: every shares-th of them,
/// since later ones have more keys to work through.
template <class T>
void forward_key_head(const Inputs<T>& in, Index b, Index g, Index share, Index shares, Mat<T> y, Mat<Acc<T>> log_sum) {
  using A = Acc<T>;
  const AttentionShape& shape = in.shape;
  const Index width = padded<A>(shape.D), row_words = padded<A>(words<T>(shape.D));
  const Index key_size = shape.S * row_words, value_size = words<T>(shape.S) * width;
  Pieces<A> pieces(key_size + value_size + kQueries * (row_words + width + 3 * kKeys + 3));
  A *keys = pieces.take(key_size), *values = pieces.take(value_size);
  words_along_rows(in.keys(in.k, b, g, 0, shape.S), keys, row_words);
  words_across_rows(in.keys(in.v, b, g, 0, shape.S), values);
  const Index group = shape.H / shape.K, tiles = tiles_of(shape);
  for (Index n = share; n < group * tiles; n += shares) {
    forward_tile(in, KeyHead<A>{keys, values}, pieces, b, g * group + n / tiles, n % tiles * kQueries, y, log_sum);
  }
}

/// m as Acc<T>: itself, or converted into `memory`.
template <class T>
ConstMat<Acc<T>> as_acc(ConstMat<T> m, Acc<T>* memory) {
  if constexpr (std::is_same_v<T, Acc<T>>) {
    return m;
  } else {
    widen_rows(m, memory, padded<Acc<T>>(m.cols()));
    return {memory, m.rows(), m.cols(), Eigen::OuterStride<>(padded<Acc<T>>(m.cols()))};
  }
}

/// Forward for the single query t of head h of sequence b: all of its scores in one row, two passes over memory.
template <class T>
void forward_query(const Inputs<T>& in, Index b, Index h, Index t, Mat<T> y, Mat<Acc<T>> log_sum) {
  using A = Acc<T>;
  const AttentionShape& shape = in.shape;
  const Index width = padded<A>(shape.D), seen = shape.S - shape.T + t + 1, g = in.key_head(h);
  Pieces<A> pieces((2 + kKeys) * width + padded<A>(seen));
  Vec<A> query(pieces.take(width), shape.D), out(pieces.take(width), shape.D);
  A* memory = pieces.take(kKeys * width);
  Vec<A> p(pieces.take(padded<A>(seen)), seen);

  widen_rows(in.queries(in.q, b, h, t, 1), query.data(), width);
  for (Index key = 0; key < seen; key += kKeys) {
    const Index count = std::min(kKeys, seen - key);
    p.segment(key, count).noalias() = as_acc(in.keys(in.k, b, g, key, count), memory) * query;
  }
  const A scale = in.scale(), slope = in.slope(h);
  if (slope != A(0)) {
    for (Index j = 0; j < seen; ++j) p[j] -= slope * static_cast<A>(seen - 1 - j);
  }
  const A maximum = p.maxCoeff();
  p = (scale * (p.array() - maximum)).exp();
  const A sum = p.sum();
  if (in.dropout.active()) {
    for (Index j = 0; j < seen; ++j) p[j] *= static_cast<A>(in.dropout.factor(in.element(b, h, t, j)));
  }
  out.setZero();
  for (Index key = 0; key < seen; key += kKeys) {
    const Index count = std::min(kKeys, seen - key);
    out.noalias() += as_acc(in.keys(in.v, b, g, key, count), memory).transpose() * p.segment(key, count);
  }
  if (log_sum.data() != nullptr) log_sum(b * shape.H + h, t) = scale * maximum + std::log(sum);
  const A inverse = A(1) / sum;
  narrow_rows(out.data(), width, &inverse, in.queries(y, b, h, t, 1));
}

/// m in words across its rows: `along`, in words along them, where that is the same, otherwise made in `memory`.
template <class T, class A = Acc<T>>
const A* across_rows(ConstMat<T> m, const A* along, A* memory) {
  if constexpr (kPerWord<T> == 1) return along;
  words_across_rows(m, memory);
  return memory;
}

/// The backward's results and what only it reads.
template <class T>
struct Gradients {
  ConstMat<T> y;
  ConstMat<Acc<T>> log_sum;
  ConstMat<T> dy;
  Mat<T> dq, dk, dv;
};

/// Backward for a tile of queries from `first` on: writes dq, adds to the key head's dkeys and dvalues.
template <class T>
void backward_tile(const Inputs<T>& in, const Gradients<T>& out, const KeyHead<Acc<T>>& head, Pieces<Acc<T>> pieces,
                   Index b, Index h, Index first) {
  using A = Acc<T>;
  const Index width = padded<A>(in.shape.D), depth = words<T>(in.shape.D), row_words = padded<A>(depth);
  const Index queries = std::min(kQueries, in.shape.T - first);
  const auto take_tile = [&] { return pieces.take(kQueries * width); };
  A *q = take_tile(), *q_t = take_tile(), *q_memory = take_tile(), *dq = take_tile();
  A *dy = take_tile(), *dy_t = take_tile(), *dy_memory = take_tile();
  A *shift = pieces.take(kQueries), *delta = pieces.take(kQueries);
  A *scores = pieces.take(kKeys * kQueries), *dp = pieces.take(kKeys * kQueries);
  A* ds_across = kPerWord<T> == 1 ? dp : pieces.take(kKeys / kPerWord<T> * kQueries);
  A* rest = take_rest<T>(pieces);
  A* factors = in.dropout.active() ? pieces.take(kKeys * kQueries) : nullptr;

  const ConstMat<T> q_rows = in.queries(in.q, b, h, first, queries), dy_rows = in.queries(out.dy, b, h, first, queries);
  words_along_rows(q_rows, q, row_words);
  words_along_rows(dy_rows, dy, row_words);
  transpose(q, queries, row_words, q_t);
  transpose(dy, queries, row_words, dy_t);
  const A *q_across = across_rows(q_rows, q, q_memory), *dy_across = across_rows(dy_rows, dy, dy_memory);
  words_along_rows(in.queries(out.y, b, h, first, queries), dq, row_words);  // borrowed: dq is written later
  load_row_terms<T>(dq, dy, row_words, ConstVec<A>(row(out.log_sum, b * in.shape.H + h) + first, queries), shift,
                    delta);
  for (Index key = 0; key < first + queries; key += kKeys) {
    const Causal tile{queries, std::min(kKeys, first + queries - key), first - key};
    score_product<T>(tile, depth, head.keys + key * row_words, row_words, q_t, scores);
    score_product<T>(tile, depth, head.values + key * row_words, row_words, dy_t, dp);
    if (in.slope(h) != A(0)) add_alibi(tile, in.slope(h), scores);
    if (factors != nullptr) {
      dropout_factors<T>(tile, in.dropout, in.element(b, h, first, key), in.shape.T, factors);
    }
    gradient_tile<T>(tile, in.scale(), shift, delta, factors, scores, rest, dp, ds_across);
    add_to_keys<T>(tile, scores, dy_across, width, head.dvalues + key * width);
    if (rest != nullptr) add_to_keys<T>(tile, rest, dy_across, width, head.dvalues + key * width);
    add_to_keys<T>(tile, dp, q_across, width, head.dkeys + key * width);
    add_to_queries<T>(tile, ds_across, head.keys_across + words<T>(key) * width, width, key == 0, dq);
  }
  narrow_rows(dq, width, static_cast<const A*>(nullptr), in.queries(out.dq, b, h, first, queries));
}

/// Elements of a thread's scratch in the backward.
template <class A>
Index backward_room(const AttentionShape& shape) {
  const Index width = padded<A>(shape.D);
  return 5 * shape.S * width + 7 * kQueries * width + (5 * kKeys + 2) * kQueries;
}

/// Backward for key head g of sequence b and all the query heads that read it, one after the other: whoever has the
/// key head is alone in writing its gradients, and the order of their sums never changes.
template <class T>
void backward_key_head(const Inputs<T>& in, const Gradients<T>& out, Index b, Index g) {
  using A = Acc<T>;
  const AttentionShape& shape = in.shape;
  const Index width = padded<A>(shape.D), row_words = padded<A>(words<T>(shape.D));
  const Index size = shape.S * width, group = shape.H / shape.K;
  Pieces<A> pieces(backward_room<A>(shape));
  A *keys = pieces.take(size), *keys_memory = pieces.take(size), *values = pieces.take(size);
  A *dkeys = pieces.take(size), *dvalues = pieces.take(size);
  const ConstMat<T> key_rows = in.keys(in.k, b, g, 0, shape.S);
  words_along_rows(key_rows, keys, row_words);
  words_along_rows(in.keys(in.v, b, g, 0, shape.S), values, row_words);
  const KeyHead<A> head{keys, values, across_rows(key_rows, keys, keys_memory), dkeys, dvalues};
  std::fill_n(dkeys, size, A(0));
  std::fill_n(dvalues, size, A(0));
  for (Index h = g * group; h < (g + 1) * group; ++h) {
    for (Index first = 0; first < shape.T; first += kQueries) backward_tile(in, out, head, pieces, b, h, first);
  }
  narrow_rows(dkeys, width, static_cast<const A*>(nullptr), in.keys(out.dk, b, g, 0, shape.S));
  narrow_rows(dvalues, width, static_cast<const A*>(nullptr), in.keys(out.dv, b, g, 0, shape.S));
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
                       ConstVec<Acc<T>> slopes, Dropout dropout, Mat<T> y, Mat<Acc<T>> log_sum) {
  assert(shape.H % shape.K == 0 && shape.S >= shape.T && (!dropout.active() || shape.S == shape.T));
  const Inputs<T> in{shape, q, k, v, slopes, dropout};
  if (shape.T <= kFewQueries) {
    parallel_each(shape.B * shape.H * shape.T, [&](Index unit) {
      const Index head = unit / shape.T;
      forward_query(in, head / shape.H, head % shape.H, unit % shape.T, y, log_sum);
    });
    return;
  }
  // Enough shares for the threads to even out, where key heads are few; no more, since each makes its own ready anew.
  const Index key_heads = shape.B * shape.K, tiles = shape.H / shape.K * tiles_of(shape);
  const Index shares = std::clamp<Index>(4 * threads() / key_heads, 1, tiles);
  parallel_each(key_heads * shares, [&](Index unit) {
    const Index head = unit / shares;
    forward_key_head(in, head / shape.K, head % shape.K, unit % shares, shares, y, log_sum);
  });
}

// y_i = sum_j m_ij p_ij v_j, p = softmax(q k^T / sqrt(D) - slope (i - j)); see gradient_tile.
template <class T>
void attention_backward(const AttentionShape& shape, ConstMat<T> q, ConstMat<T> k, ConstMat<T> v,
                        ConstVec<Acc<T>> slopes, Dropout dropout, ConstMat<T> y, ConstMat<Acc<T>> log_sum,
                        ConstMat<T> dy, Mat<T> dq, Mat<T> dk, Mat<T> dv) {
  assert(shape.H % shape.K == 0 && shape.S == shape.T);
  const Inputs<T> in{shape, q, k, v, slopes, dropout};
  const Gradients<T> out{y, log_sum, dy, dq, dk, dv};
  parallel_each(shape.B * shape.K, [&](Index unit) { backward_key_head(in, out, unit / shape.K, unit % shape.K); });
}

template <class T>
std::size_t attention_scratch_bytes(const AttentionShape& shape) {
  return static_cast<std::size_t>(backward_room<Acc<T>>(shape)) * sizeof(Acc<T>);
}

#define KILN_INSTANTIATE(T)                                                                                           \
  template std::size_t attention_scratch_bytes<T>(const AttentionShape&);                                             \
  template void attention_forward<T>(const AttentionShape&, ConstMat<T>, ConstMat<T>, ConstMat<T>, ConstVec<Acc<T>>,  \
                                     Dropout, Mat<T>, Mat<Acc<T>>);                                                   \
  template void attention_backward<T>(const AttentionShape&, ConstMat<T>, ConstMat<T>, ConstMat<T>, ConstVec<Acc<T>>, \
                                      Dropout, ConstMat<T>, ConstMat<Acc<T>>, ConstMat<T>, Mat<T>, Mat<T>, Mat<T>);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
