// Fused attention in tiles of queries and keys. Scores lie key by key with the queries side by side, so that one
// vector works on as many queries at once and nothing is ever summed across its lanes.
//
// Memory: a thread's scratch holds a few tiles, and in the backward the keys, values and their gradients of one key
// head; it grows in a model's first step and is then used again.
#include "kiln/kernels/attention.h"

#include "kiln/core/threads.h"
#include "kiln/kernels/attention_tile.h"

#include <cassert>
#include <cmath>
#include <limits>

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
  A slope(Index h) const { return slopes.size() > 0 ? slopes[h] : A(0); }
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
    return static_cast<std::uint64_t>(((b * shape.H + h) * shape.T + i) * shape.S + j);
  }
};

/// scores(j, i) = sum_d keys(j, d) queries_t(d, i), for the vectors in which some query sees key j.
template <class A>
void score_product(const Causal& tile, Index D, const A* keys, Index width, const A* queries_t, A* scores) {
  const Index last = padded<A>(tile.queries);
  multiply(Left<A>{keys, width, 1}, queries_t, kQueries, scores, kQueries, tile.keys, false, [&](Index j, Index) {
    return Part{0, D, std::min(tile.first_query(j) / kLanes<A> * kLanes<A>, last), last};
  });
}

/// out(i, d) += sum_j weights(j, i) keys(j, d) over the keys that query i sees.
template <class A>
void add_to_queries(const Causal& tile, const A* weights, const A* keys, Index width, A* out) {
  multiply(Left<A>{weights, 1, kQueries}, keys, width, out, width, tile.queries, true, [&](Index i, Index count) {
    return Part{0, tile.visible(i + count - 1), 0, width};
  });
}

/// out(j, d) += sum_i weights(j, i) queries(i, d) over the queries that see key j.
template <class A>
void add_to_keys(const Causal& tile, const A* weights, const A* queries, Index width, A* out) {
  multiply(Left<A>{weights, kQueries, 1}, queries, width, out, width, tile.keys, true, [&](Index j, Index) {
    return Part{std::min(tile.first_query(j), tile.queries), tile.queries, 0, width};
  });
}

/// scores(j, i) -= slope * (distance from query i back to key j).
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

/// Dropout's factors of a tile, lying like its scores; `element` numbers query 0 and key 0, a query's keys lie S apart.
template <class A>
void dropout_factors(const Causal& tile, const Dropout& dropout, std::uint64_t element, Index S, A* factors) {
  float row[kKeys];
  for (Index i = 0; i < tile.queries; ++i) {
    const Index seen = tile.visible(i);
    dropout.fill(element + static_cast<std::uint64_t>(i * S), seen, row);
    for (Index j = 0; j < tile.keys; ++j) factors[j * kQueries + i] = j < seen ? static_cast<A>(row[j]) : A(0);
  }
}

/// The online softmax (arXiv:2205.14135), lane by lane: scores become p = exp(score - maximum), where the running
/// maximum now counts this tile too; earlier sums shrink by exp(old maximum - maximum), left in `rescale`.
template <class A>
void softmax_tile(const Causal& tile, A* scores, A* maximum, A* sum, A* rescale) {
  constexpr A kHidden = -std::numeric_limits<A>::infinity();
  for (Index i = 0; i < tile.queries; i += kLanes<A>) {
    const KeyRange keys = keys_of_vector<A>(tile, i);
    const auto load = [&](Index j) { return simd::ploadu<Packet<A>>(scores + j * kQueries + i); };
    const Packet<A> old = simd::ploadu<Packet<A>>(maximum + i);
    Packet<A> top = old;
    for (Index j = 0; j < keys.full; ++j) top = simd::pmax(top, load(j));
    for (Index j = keys.full; j < keys.end; ++j) top = simd::pmax(top, hide(tile, i, j, load(j), kHidden));
    Packet<A> total = simd::pset1<Packet<A>>(A(0));
    for (Index j = 0; j < keys.end; ++j) {
      Packet<A> p = simd::pexp(simd::psub(load(j), top));
      if (j >= keys.full) p = hide(tile, i, j, p, A(0));
      simd::pstoreu(scores + j * kQueries + i, p);
      total = simd::padd(total, p);
    }
    const Packet<A> shrink = simd::pexp(simd::psub(old, top));
    simd::pstoreu(maximum + i, top);
    simd::pstoreu(sum + i, simd::pmadd(simd::ploadu<Packet<A>>(sum + i), shrink, total));
    simd::pstoreu(rescale + i, shrink);
  }
}

/// Forward for the queries from `first` on, at most a tile of them, of head h of sequence b.
template <class T>
void forward_tile(const Inputs<T>& in, Index b, Index h, Index first, Mat<T> y, Mat<Acc<T>> log_sum) {
  using A = Acc<T>;
  const AttentionShape& shape = in.shape;
  const Index width = padded<A>(shape.D), queries = std::min(kQueries, shape.T - first), past = shape.S - shape.T;
  Pieces<A> pieces((2 * kQueries + 2 * kKeys) * width + (2 * kKeys + 3) * kQueries);
  A *queries_t = pieces.take(width * kQueries), *out = pieces.take(kQueries * width);
  A *keys = pieces.take(kKeys * width), *values = pieces.take(kKeys * width);
  A *scores = pieces.take(kKeys * kQueries), *factors = pieces.take(kKeys * kQueries);
  A *maximum = pieces.take(kQueries), *sum = pieces.take(kQueries), *rescale = pieces.take(kQueries);

  load_rows(in.queries(in.q, b, h, first, queries), out, width);  // borrowed: `out` is zeroed next
  transpose(out, queries, width, in.scale(), queries_t);
  std::fill_n(out, queries * width, A(0));
  std::fill_n(maximum, kQueries, -std::numeric_limits<A>::infinity());
  std::fill_n(sum, kQueries, A(0));
  const Index seen = past + first + queries;  // by the last query
  for (Index key = 0; key < seen; key += kKeys) {
    const Causal tile{queries, std::min(kKeys, seen - key), past + first - key};
    load_rows(in.keys(in.k, b, in.key_head(h), key, tile.keys), keys, width);
    load_rows(in.keys(in.v, b, in.key_head(h), key, tile.keys), values, width);
    score_product(tile, shape.D, keys, width, queries_t, scores);
    if (in.slope(h) != A(0)) add_alibi(tile, in.slope(h), scores);
    softmax_tile(tile, scores, maximum, sum, rescale);
    if (in.dropout.active()) {
      dropout_factors(tile, in.dropout, in.element(b, h, first, key), shape.S, factors);
      for (Index e = 0; e < tile.keys * kQueries; ++e) scores[e] *= factors[e];
    }
    if (key > 0) store_rows(out, width, rescale, mat(out, queries, width));
    add_to_queries(tile, scores, values, width, out);
  }
  for (Index i = 0; i < queries; ++i) {
    if (log_sum.data() != nullptr) log_sum(b * shape.H + h, first + i) = maximum[i] + std::log(sum[i]);
    sum[i] = A(1) / sum[i];
  }
  store_rows(out, width, sum, in.queries(y, b, h, first, queries));
}

/// m as Acc<T>: itself, or converted into `memory`.
template <class T>
ConstMat<Acc<T>> as_acc(ConstMat<T> m, Acc<T>* memory) {
  if constexpr (std::is_same_v<T, Acc<T>>) {
    return m;
  } else {
    load_rows(m, memory, padded<Acc<T>>(m.cols()));
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

  load_rows(in.queries(in.q, b, h, t, 1), query.data(), width);
  query *= in.scale();
  for (Index key = 0; key < seen; key += kKeys) {
    const Index count = std::min(kKeys, seen - key);
    p.segment(key, count).noalias() = as_acc(in.keys(in.k, b, g, key, count), memory) * query;
  }
  const A slope = in.slope(h);
  if (slope != A(0)) {
    for (Index j = 0; j < seen; ++j) p[j] -= slope * static_cast<A>(seen - 1 - j);
  }
  const A maximum = p.maxCoeff();
  p = (p.array() - maximum).exp();
  const A sum = p.sum();
  if (in.dropout.active()) {
    for (Index j = 0; j < seen; ++j) p[j] *= static_cast<A>(in.dropout.factor(in.element(b, h, t, j)));
  }
  out.setZero();
  for (Index key = 0; key < seen; key += kKeys) {
    const Index count = std::min(kKeys, seen - key);
    out.noalias() += as_acc(in.keys(in.v, b, g, key, count), memory).transpose() * p.segment(key, count);
  }
  if (log_sum.data() != nullptr) log_sum(b * shape.H + h, t) = maximum + std::log(sum);
  const A inverse = A(1) / sum;
  store_rows(out.data(), width, &inverse, in.queries(y, b, h, t, 1));
}

/// Turns a tile's scores into probabilities after dropout, and dp into the scores' gradient ds, both for the products
/// that follow. p = exp(score - log_sum), y_i = sum_j m_ij p_ij v_j, with dp_ij = dy_i v_j:
/// ds_ij = scale p_ij (m_ij dp_ij - delta_i), where delta_i = sum_j m_ij p_ij dp_ij = dy_i y_i.
/// `factors` are m, or null where nothing is dropped.
template <class A>
void gradient_tile(const Causal& tile, A scale, const A* log_sum, const A* delta, const A* factors, A* scores, A* dp) {
  const Packet<A> factor = simd::pset1<Packet<A>>(scale);
  for (Index i = 0; i < tile.queries; i += kLanes<A>) {
    const KeyRange keys = keys_of_vector<A>(tile, i);
    const Packet<A> shift = simd::ploadu<Packet<A>>(log_sum + i), mean = simd::ploadu<Packet<A>>(delta + i);
    for (Index j = 0; j < keys.end; ++j) {
      const Index at = j * kQueries + i;
      Packet<A> p = simd::pexp(simd::psub(simd::ploadu<Packet<A>>(scores + at), shift));
      Packet<A> dropped = p, gradient = simd::ploadu<Packet<A>>(dp + at);
      if (factors != nullptr) {
        const Packet<A> m = simd::ploadu<Packet<A>>(factors + at);
        dropped = simd::pmul(p, m);
        gradient = simd::pmul(gradient, m);
      }
      gradient = simd::pmul(simd::pmul(factor, p), simd::psub(gradient, mean));
      if (j >= keys.full) {
        dropped = hide(tile, i, j, dropped, A(0));
        gradient = hide(tile, i, j, gradient, A(0));
      }
      simd::pstoreu(scores + at, dropped);
      simd::pstoreu(dp + at, gradient);
    }
  }
}

/// What the queries of one key head share in the backward, (S, width) each.
template <class A>
struct KeyHead {
  A *keys, *values, *dkeys, *dvalues;
};

/// The backward's results and what only it reads.
template <class T>
struct Gradients {
  ConstMat<T> y;
  ConstMat<Acc<T>> log_sum;
  ConstMat<T> dy;
  Mat<T> dq, dk, dv;
};

/// delta_i = dy_i y_i, and log_sum of the same queries; zero in the lanes that the tile leaves empty.
template <class T>
void load_row_terms(ConstMat<T> y, ConstMat<T> dy, const Acc<T>* log_sum, Acc<T>* shift, Acc<T>* delta) {
  using A = Acc<T>;
  std::fill(std::copy_n(log_sum, y.rows(), shift), shift + kQueries, A(0));
  std::fill_n(delta, kQueries, A(0));
  for (Index i = 0; i < y.rows(); ++i) {
    const T *yi = row(y, i), *dyi = row(dy, i);
    A sum = 0;
#pragma omp simd reduction(+ : sum)
    for (Index d = 0; d < y.cols(); ++d) sum += widen(yi[d]) * widen(dyi[d]);
    delta[i] = sum;
  }
}

/// Backward for a tile of queries from `first` on: writes dq, adds to the key head's dkeys and dvalues.
template <class T>
void backward_tile(const Inputs<T>& in, const Gradients<T>& out, const KeyHead<Acc<T>>& head, Pieces<Acc<T>> pieces,
                   Index b, Index h, Index first) {
  using A = Acc<T>;
  const Index D = in.shape.D, width = padded<A>(D), queries = std::min(kQueries, in.shape.T - first);
  A *q = pieces.take(kQueries * width), *q_t = pieces.take(width * kQueries);
  A *dy = pieces.take(kQueries * width), *dy_t = pieces.take(width * kQueries), *dq = pieces.take(kQueries * width);
  A *scores = pieces.take(kKeys * kQueries), *dp = pieces.take(kKeys * kQueries);
  A* factors = in.dropout.active() ? pieces.take(kKeys * kQueries) : nullptr;
  A *shift = pieces.take(kQueries), *delta = pieces.take(kQueries);

  const ConstMat<T> dy_rows = in.queries(out.dy, b, h, first, queries);
  load_rows(in.queries(in.q, b, h, first, queries), q, width);
  load_rows(dy_rows, dy, width);
  transpose(q, queries, width, in.scale(), q_t);
  transpose(dy, queries, width, A(1), dy_t);
  load_row_terms<T>(in.queries(out.y, b, h, first, queries), dy_rows, row(out.log_sum, b * in.shape.H + h) + first,
                    shift, delta);
  std::fill_n(dq, queries * width, A(0));
  for (Index key = 0; key < first + queries; key += kKeys) {
    const Causal tile{queries, std::min(kKeys, first + queries - key), first - key};
    const Index at = key * width;
    score_product(tile, D, head.keys + at, width, q_t, scores);
    score_product(tile, D, head.values + at, width, dy_t, dp);
    if (in.slope(h) != A(0)) add_alibi(tile, in.slope(h), scores);
    if (factors != nullptr) {
      dropout_factors(tile, in.dropout, in.element(b, h, first, key), in.shape.S, factors);
    }
    gradient_tile(tile, in.scale(), shift, delta, factors, scores, dp);
    add_to_keys(tile, scores, dy, width, head.dvalues + at);
    add_to_keys(tile, dp, q, width, head.dkeys + at);
    add_to_queries(tile, dp, head.keys + at, width, dq);
  }
  store_rows(dq, width, static_cast<const A*>(nullptr), in.queries(out.dq, b, h, first, queries));
}

/// Backward for key head g of sequence b and all the query heads that read it, one after the other: whoever has the
/// key head is alone in writing its gradients, and the order of their sums never changes.
template <class T>
void backward_key_head(const Inputs<T>& in, const Gradients<T>& out, Index b, Index g) {
  using A = Acc<T>;
  const AttentionShape& shape = in.shape;
  const Index width = padded<A>(shape.D), size = shape.S * width, group = shape.H / shape.K;
  Pieces<A> pieces(4 * size + 5 * kQueries * width + (3 * kKeys + 2) * kQueries);
  const KeyHead<A> head{pieces.take(size), pieces.take(size), pieces.take(size), pieces.take(size)};
  load_rows(in.keys(in.k, b, g, 0, shape.S), head.keys, width);
  load_rows(in.keys(in.v, b, g, 0, shape.S), head.values, width);
  std::fill_n(head.dkeys, size, A(0));
  std::fill_n(head.dvalues, size, A(0));
  for (Index h = g * group; h < (g + 1) * group; ++h) {
    for (Index first = 0; first < shape.T; first += kQueries) backward_tile(in, out, head, pieces, b, h, first);
  }
  store_rows(head.dkeys, width, static_cast<const A*>(nullptr), in.keys(out.dk, b, g, 0, shape.S));
  store_rows(head.dvalues, width, static_cast<const A*>(nullptr), in.keys(out.dv, b, g, 0, shape.S));
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
  const Index heads = shape.B * shape.H;
  if (shape.T <= kFewQueries) {
    parallel_each(heads * shape.T, [&](Index unit) {
      const Index head = unit / shape.T;
      forward_query(in, head / shape.H, head % shape.H, unit % shape.T, y, log_sum);
    });
    return;
  }
  const Index tiles = (shape.T + kQueries - 1) / kQueries;
  parallel_each(heads * tiles, [&](Index unit) {
    // The last tiles first: they see the most keys, and the small ones at the end even out the threads.
    const Index head = unit % heads, tile = tiles - 1 - unit / heads;
    forward_tile(in, head / shape.H, head % shape.H, tile * kQueries, y, log_sum);
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

#define KILN_INSTANTIATE(T)                                                                                           \
  template void attention_forward<T>(const AttentionShape&, ConstMat<T>, ConstMat<T>, ConstMat<T>, ConstVec<Acc<T>>,  \
                                     Dropout, Mat<T>, Mat<Acc<T>>);                                                   \
  template void attention_backward<T>(const AttentionShape&, ConstMat<T>, ConstMat<T>, ConstMat<T>, ConstVec<Acc<T>>, \
                                      Dropout, ConstMat<T>, ConstMat<Acc<T>>, ConstMat<T>, Mat<T>, Mat<T>, Mat<T>);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
