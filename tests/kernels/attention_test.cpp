// Fused attention against central differences, against plain loops, and against itself under what must not matter.
#include "kiln/kernels/attention.h"

#include "kiln/core/threads.h"

#include <gtest/gtest.h>

#include "kernels/attention_naive.h"
#include "support/gradient.h"
#include "support/sequences.h"
#include <cstring>
#include <limits>
#include <ostream>

namespace kiln {
namespace {

using testing::dot;
using testing::end_to_end;
using testing::equal_sequences;
using testing::expect_gradient;
using testing::randn;
using testing::Tensor;

struct Case {
  const char* name;
  Index B, T, H, K, D;
  bool alibi = false;
  double dropout = 0.0;
  std::vector<Index> lengths = {};  // of sequences that differ, in place of B times T

  std::vector<Sequence> sequences() const { return lengths.empty() ? equal_sequences(B, T) : end_to_end(lengths); }
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

Dropout make_dropout(const Case& c) { return {StepContext{.training = true, .seed = 5}, c.dropout, 2}; }

template <class A>
Tensor<A> make_slopes(const Case& c) {
  Tensor<A> slopes(c.alibi ? c.H : 0, 1);
  const std::vector<double> values = alibi_slopes(c.H);
  for (Index h = 0; h < slopes.data.rows(); ++h) slopes(h, 0) = static_cast<A>(values[static_cast<std::size_t>(h)]);
  return slopes;
}

/// Inputs, results and gradients of one attention; the results start as NaN, since they are written, not added to.
template <class T>
struct Problem {
  static constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  std::vector<Sequence> sequences;
  Index H, K, D, slot_size;
  Dropout dropout;
  Tensor<Acc<T>> slopes;
  Tensor<T> q, k, v, dy, y, dq, dk, dv;
  Tensor<Acc<T>> lse;

  Problem(const Case& c, Rng& rng) : Problem(c.sequences(), 0, c, rng) {}
  /// With a slot_size, k and v are a cache of that many positions for each sequence.
  Problem(const std::vector<Sequence>& laid_out, Index slot, const Case& c, Rng& rng)
      : Problem(laid_out, rows_in(laid_out), slot, c, rng) {}
  /// N rows, some of which may belong to no sequence.
  Problem(std::vector<Sequence> laid_out, Index N, Index slot, const Case& c, Rng& rng)
      : sequences(std::move(laid_out)),
        H(c.H),
        K(c.K),
        D(c.D),
        slot_size(slot),
        dropout(make_dropout(c)),
        slopes(make_slopes<Acc<T>>(c)),
        q(randn<T>(rng, N, H * D)),
        k(randn<T>(rng, slot > 0 ? slot * std::ssize(sequences) : N, K * D)),
        v(randn<T>(rng, k.data.rows(), K * D)),
        dy(randn<T>(rng, N, H * D)),
        y(N, H * D, static_cast<T>(kNaN)),
        dq(y),
        dk(k.data.rows(), K * D, static_cast<T>(kNaN)),
        dv(dk),
        lse(1, H * N, static_cast<Acc<T>>(kNaN)) {}

  AttentionShape shape() const { return {.sequences = sequences, .H = H, .K = K, .D = D, .slot_size = slot_size}; }
  void forward() { attention_forward<T>(shape(), q.c(), k.c(), v.c(), slopes.cv(), dropout, y.m(), lse.v()); }
  void backward() {
    attention_backward<T>(shape(), q.c(), k.c(), v.c(), slopes.cv(), dropout, y.c(), lse.cv(), dy.c(), dq.m(), dk.m(),
                          dv.m());
  }
  void forward_naive() {
    attention_forward_naive<T>(shape(), q.c(), k.c(), v.c(), slopes.cv(), dropout, y.m(), lse.v());
  }
  void backward_naive() {
    attention_backward_naive<T>(shape(), q.c(), k.c(), v.c(), slopes.cv(), dropout, dy.c(), dq.m(), dk.m(), dv.m());
  }
};

/// ||a - b|| / max(1, ||b||); NaN where a or b holds one, which no comparison lets pass.
template <class A, class B>
double distance(const Tensor<A>& a, const Tensor<B>& b) {
  const auto wide_b = b.data.template cast<double>().eval();
  return (a.data.template cast<double>() - wide_b).norm() / std::max(1.0, wide_b.norm());
}

template <class T>
bool same_bits(const Tensor<T>& a, const Tensor<T>& b) {
  return a.data.size() == b.data.size() &&
         std::memcmp(a.data.data(), b.data.data(), static_cast<std::size_t>(a.data.size()) * sizeof(T)) == 0;
}

// T = 130 is a tile of keys, two of queries, and a bit; T = 1 and 3 take the way of few queries; D = 6 and 20 are no
// whole vectors.
const Case kSmall[] = {
    {"one_position", 2, 1, 2, 2, 4},
    {"few_queries", 2, 3, 2, 1, 6, true, 0.3},
    {"heads", 2, 5, 3, 3, 6},
    {"grouped", 2, 7, 4, 2, 4},
    {"one_key_head", 1, 6, 3, 1, 20},
    {"alibi", 2, 9, 3, 3, 4, true},
    {"dropout", 2, 9, 2, 2, 4, false, 0.3},
    {"everything", 1, 19, 4, 2, 6, true, 0.2},
    {"beyond_a_tile", 1, 130, 1, 1, 2, true, 0.1},
    {"packed", 0, 0, 2, 1, 6, true, 0.3, {1, 4, 9, 2, 5}},
};
const Case kLarge[] = {
    {"tile", 3, 64, 4, 4, 32},
    {"tiles", 2, 192, 3, 3, 64},
    {"ragged", 2, 201, 4, 2, 20, true, 0.2},
    {"wide_heads", 1, 131, 2, 1, 144},
    {"three_key_tiles", 1, 300, 2, 1, 16, true, 0.1},
    {"tile_and_one", 1, 65, 1, 1, 6, false, 0.5},
    {"small_tiles", 1, 96, 2, 2, 16},
    {"small_tiles_and_one", 1, 97, 2, 1, 6, true, 0.2},
    {"odd", 2, 77, 4, 2, 7, true, 0.2},
    {"packed", 0, 0, 4, 2, 20, false, 0, {130, 1, 65, 3, 4, 5, 200}},
    {"packed_with_all", 0, 0, 3, 1, 7, true, 0.2, {2, 131, 64, 1, 66}},
};

class AttentionSmall : public ::testing::TestWithParam<Case> {};
class AttentionLarge : public ::testing::TestWithParam<Case> {};
std::string name_of(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Cases, AttentionSmall, ::testing::ValuesIn(kSmall), name_of);
INSTANTIATE_TEST_SUITE_P(Cases, AttentionLarge, ::testing::ValuesIn(kLarge), name_of);

TEST_P(AttentionSmall, BackwardMatchesCentralDifferences) {
  Rng rng(7, "test");
  Problem<double> p(GetParam(), rng);
  p.forward();
  p.backward();
  Problem<double> probe = p;  // the loss's own results, so that the analytic gradients keep theirs
  const auto loss = [&] {
    probe.forward();
    return dot(probe.y.data, probe.dy.data);
  };
  expect_gradient("q", probe.q, p.dq, loss);
  expect_gradient("k", probe.k, p.dk, loss);
  expect_gradient("v", probe.v, p.dv, loss);
}

template <class T>
void expect_naive(const Case& c, double tolerance) {
  Rng rng(11, c.name);
  Problem<T> fast(c, rng);
  Problem<T> naive = fast;
  fast.forward();
  naive.forward_naive();
  EXPECT_LT(distance(fast.y, naive.y), tolerance);
  EXPECT_LT(distance(fast.lse, naive.lse), tolerance);
  fast.backward();
  naive.backward_naive();
  EXPECT_LT(distance(fast.dq, naive.dq), tolerance);
  EXPECT_LT(distance(fast.dk, naive.dk), tolerance);
  EXPECT_LT(distance(fast.dv, naive.dv), tolerance);
}
TEST_P(AttentionSmall, IsTheNaiveOneInDouble) { expect_naive<double>(GetParam(), 1e-13); }
TEST_P(AttentionLarge, IsTheNaiveOneInDouble) { expect_naive<double>(GetParam(), 1e-13); }
// 2^-24 a rounding, some 200 summands with random signs: 14 roundings, and as many again in the probabilities.
TEST_P(AttentionLarge, IsTheNaiveOneInFloat) { expect_naive<float>(GetParam(), 3e-6); }

// The inputs are the same numbers for both and sums are kept in float, so only roundings to 8 bits tell them apart. One
// is off by 2^-8 at most and by 0.4 * 2^-8 in the root mean square, as is a sum of rounded terms. y and dv are rounded
// themselves, and sum probabilities that keep twice the bits: 0.4 of 2^-8. dq and dk sum rounded ds, which read a delta
// that reads a rounded y: sqrt(3) * 0.4 = 0.7. Scores are sums of exact products.
TEST_P(AttentionLarge, Bfloat16IsFloatRounded) {
  Rng rng(13, GetParam().name);
  Problem<bfloat16> half(GetParam(), rng);
  Problem<float> full(GetParam(), rng);
  full.q.data = half.q.data.cast<float>();
  full.k.data = half.k.data.cast<float>();
  full.v.data = half.v.data.cast<float>();
  full.dy.data = half.dy.data.cast<float>();
  half.forward();
  full.forward_naive();
  EXPECT_LT(distance(half.y, full.y), 0x1p-9);
  EXPECT_LT(distance(half.lse, full.lse), 1e-6);
  half.backward();
  full.backward_naive();
  EXPECT_LT(distance(half.dq, full.dq), 0x1p-8);
  EXPECT_LT(distance(half.dk, full.dk), 0x1p-8);
  EXPECT_LT(distance(half.dv, full.dv), 0x1p-9);
}

/// Attention is the values of earlier rows, weighted by probabilities that sum to 1.
template <class T>
void expect_weighted_values(Case c, double tolerance) {
  c.dropout = 0;
  Rng rng(31, c.name);
  Problem<T> p(c, rng);
  p.forward();
  const Index N = p.q.data.rows();
  Tensor<T> y = p.y;
  for (Index h = 0; h < c.H; ++h) {
    Tensor<Acc<T>> shares(N, N, static_cast<Acc<T>>(Problem<T>::kNaN));
    attention_probabilities<T>(p.shape(), h, p.q.c(), p.k.c(), p.slopes.cv(), shares.m());
    EXPECT_GE(shares.data.minCoeff(), 0);
    EXPECT_LT((shares.data.rowwise().sum().array() - 1).abs().maxCoeff(), tolerance);
    EXPECT_EQ((shares.data.template triangularView<Eigen::StrictlyUpper>().toDenseMatrix().norm()), 0);
    const RowMajor<Acc<T>> values = p.v.data.middleCols(h / (c.H / c.K) * c.D, c.D).template cast<Acc<T>>();
    y.data.middleCols(h * c.D, c.D) = (shares.data * values).template cast<T>();
  }
  EXPECT_LT(distance(y, p.y), tolerance);
}
TEST_P(AttentionSmall, IsTheValuesTimesTheProbabilities) {
  expect_weighted_values<double>(GetParam(), 1e-13);
  expect_weighted_values<float>(GetParam(), 3e-6);
  expect_weighted_values<bfloat16>(GetParam(), 0x1p-8);
}

template <class T>
void expect_bits_of_any_threads(const Case& c) {
  Rng rng(17, c.name);
  Problem<T> one(c, rng);
  Problem<T> two = one;
  const int before = threads();
  set_threads(1);
  one.forward();
  one.backward();
  set_threads(2);
  two.forward();
  two.backward();
  set_threads(before);
  EXPECT_TRUE(same_bits(one.y, two.y));
  EXPECT_TRUE(same_bits(one.lse, two.lse));
  EXPECT_TRUE(same_bits(one.dq, two.dq));
  EXPECT_TRUE(same_bits(one.dk, two.dk));
  EXPECT_TRUE(same_bits(one.dv, two.dv));
}
TEST_P(AttentionLarge, BitsDoNotDependOnThreads) {
  expect_bits_of_any_threads<float>(GetParam());
  expect_bits_of_any_threads<bfloat16>(GetParam());
}

TEST(Attention, ReadsAndWritesSlices) {  // q, k and v side by side, as one product makes them
  const Case c{"slices", 2, 66, 4, 2, 8};
  Rng rng(19, "test");
  Problem<float> plain(c, rng);
  Tensor<float> all(c.B * c.T, (c.H + 2 * c.K) * c.D), gradients(c.B * c.T, (c.H + 2 * c.K) * c.D);
  all.data << plain.q.data, plain.k.data, plain.v.data;
  const Index k_begin = c.H * c.D, v_begin = (c.H + c.K) * c.D, k_width = c.K * c.D;
  plain.forward();
  plain.backward();
  Problem<float> sliced = plain;
  attention_forward<float>(plain.shape(), columns(all.c(), 0, k_begin), columns(all.c(), k_begin, k_width),
                           columns(all.c(), v_begin, k_width), plain.slopes.cv(), {}, sliced.y.m(), sliced.lse.v());
  attention_backward<float>(plain.shape(), columns(all.c(), 0, k_begin), columns(all.c(), k_begin, k_width),
                            columns(all.c(), v_begin, k_width), plain.slopes.cv(), {}, sliced.y.c(), sliced.lse.cv(),
                            plain.dy.c(), columns(gradients.m(), 0, k_begin), columns(gradients.m(), k_begin, k_width),
                            columns(gradients.m(), v_begin, k_width));
  Tensor<float> wanted = gradients;
  wanted.data << plain.dq.data, plain.dk.data, plain.dv.data;
  EXPECT_TRUE(same_bits(sliced.y, plain.y));
  EXPECT_TRUE(same_bits(gradients, wanted));
}

/// Generation by chunks of every size against the forward of the whole; what the cache holds beyond them is NaN. The
/// sequences stand at different places: in each call one begins, and others bring one token or many.
template <class T>
void expect_cached_equals_full(const Case& c, double tolerance) {
  Rng rng(23, c.name);
  Problem<T> full(c, rng);
  full.forward();
  const Index slot = 5 + std::ranges::max(full.sequences, {}, &Sequence::length).length;
  for (const Index chunk : {Index{1}, Index{3}, Index{9}, Index{130}}) {
    std::vector<Index> done(full.sequences.size());
    for (Index round = 0; std::ranges::any_of(
             full.sequences, [&](const Sequence& s) { return done[static_cast<std::size_t>(s.slot)] < s.length; });
         ++round) {
      std::vector<Sequence> fed;
      for (const Sequence& s : full.sequences) {
        const Index past = done[static_cast<std::size_t>(s.slot)];
        const Index most = s.slot % 2 == 0 ? chunk : 1 + round;  // every other sequence in chunks that grow
        const Index count = std::min(most, s.length - past);
        if (count > 0) fed.push_back({.row = rows_in(fed), .length = count, .past = past, .slot = s.slot});
      }
      Problem<T> part(fed, rows_in(fed), slot, c, rng);
      part.k = Tensor<T>(slot * std::ssize(full.sequences), c.K * c.D, static_cast<T>(Problem<T>::kNaN));
      part.v = part.k;
      Tensor<T> wanted = part.y;
      for (const Sequence& s : fed) {
        const Index first = full.sequences[static_cast<std::size_t>(s.slot)].row;
        part.q.data.middleRows(s.row, s.length) = full.q.data.middleRows(first + s.past, s.length);
        part.k.data.middleRows(s.slot * slot, s.keys()) = full.k.data.middleRows(first, s.keys());
        part.v.data.middleRows(s.slot * slot, s.keys()) = full.v.data.middleRows(first, s.keys());
        wanted.data.middleRows(s.row, s.length) = full.y.data.middleRows(first + s.past, s.length);
        done[static_cast<std::size_t>(s.slot)] += s.length;
      }
      part.lse = Tensor<Acc<T>>(0, 0);  // no backward follows generation
      part.forward();
      ASSERT_LT(distance(part.y, wanted), tolerance) << "chunk " << chunk << " round " << round;
    }
  }
}
TEST(Attention, CachedGenerationIsTheFullForward) {
  expect_cached_equals_full<float>({"heads", 1, 135, 2, 2, 16}, 1e-6);
  expect_cached_equals_full<double>({"grouped", 2, 135, 4, 2, 6, true}, 1e-14);
  // A rounding on each side, and of probabilities where many queries come at once.
  expect_cached_equals_full<bfloat16>({"half", 1, 135, 2, 2, 32}, 0x1p-8);
  expect_cached_equals_full<bfloat16>({"odd_half", 2, 135, 4, 2, 7, true}, 0x1p-8);
  expect_cached_equals_full<float>({"mixed", 0, 0, 4, 2, 16, true, 0, {70, 3, 135, 1, 20}}, 1e-6);
  expect_cached_equals_full<double>({"mixed_double", 0, 0, 2, 1, 6, false, 0, {9, 131, 64}}, 1e-14);
}

template <class T>
void expect_packed_is_alone(const std::vector<Index>& lengths) {
  const Case c{"packed", 0, 0, 4, 2, 20, true, 0, lengths};
  Rng rng(41, c.name);
  Problem<T> packed(c, rng);
  packed.forward();
  packed.backward();
  for (const Sequence& s : packed.sequences) {
    Problem<T> alone(end_to_end(std::vector<Index>{s.length}), 0, c, rng);
    const auto cut = [&](const Tensor<T>& whole, Tensor<T>& part) {
      part.data = whole.data.middleRows(s.row, s.length);
    };
    cut(packed.q, alone.q);
    cut(packed.k, alone.k);
    cut(packed.v, alone.v);
    cut(packed.dy, alone.dy);
    alone.forward();
    alone.backward();
    Tensor<T> y = alone.y, dq = alone.dq, dk = alone.dk, dv = alone.dv;
    cut(packed.y, y);
    cut(packed.dq, dq);
    cut(packed.dk, dk);
    cut(packed.dv, dv);
    EXPECT_TRUE(same_bits(y, alone.y)) << s.length;
    EXPECT_LT(distance(dq, alone.dq), 1e-6) << s.length;  // lse is made in vectors whose cut depends on its address
    EXPECT_LT(distance(dk, alone.dk), 1e-6) << s.length;
    EXPECT_LT(distance(dv, alone.dv), 1e-6) << s.length;
  }
}
TEST(Attention, ASequenceDoesNotSeeItsNeighbours) {
  expect_packed_is_alone<float>({3, 130, 1, 64, 5, 77});
  expect_packed_is_alone<double>({200, 4, 1, 9});
}

TEST(Attention, RowsOfNoSequenceBecomeZero) {
  const Case c{"rest", 0, 0, 2, 2, 6, false, 0, {5, 2}};
  Rng rng(43, c.name);
  Problem<float> p(c.sequences(), 64, 0, c, rng);
  p.q.data.bottomRows(57).setConstant(static_cast<float>(Problem<float>::kNaN));  // nothing reads them
  p.k.data.bottomRows(57).setConstant(static_cast<float>(Problem<float>::kNaN));
  p.forward();
  p.backward();
  for (const Tensor<float>* result : {&p.y, &p.dq, &p.dk, &p.dv}) {
    EXPECT_TRUE(result->data.topRows(7).allFinite());
    EXPECT_EQ(result->data.bottomRows(57).cwiseAbs().maxCoeff(), 0.0f);
  }
}

TEST(Attention, FutureKeysChangeNothing) {
  const Case c{"causal", 1, 130, 2, 2, 8};
  Rng rng(29, "test");
  Problem<float> p(c, rng);
  p.forward();
  for (const Index changed : {Index{1}, Index{17}, Index{64}, Index{129}}) {
    Problem<float> other = p;
    other.k.data.bottomRows(c.T - changed).setConstant(100);
    other.v.data.bottomRows(c.T - changed).setConstant(-1e30f);
    other.forward();
    EXPECT_EQ(other.y.data.topRows(changed), p.y.data.topRows(changed)) << changed;
    EXPECT_NE(other.y.data.row(changed), p.y.data.row(changed)) << changed;
  }
}

TEST(Attention, ExtremeScoresDoNotOverflow) {
  for (const Index T : {Index{3}, Index{100}}) {
    const Case c{"extreme", 1, T, 1, 1, 4};
    Rng rng(31, "test");
    Problem<float> p(c, rng);
    p.q.data *= 100;  // scores of +-1e4
    p.k.data *= 100;
    Problem<float> naive = p;
    p.forward();
    p.backward();
    naive.forward_naive();
    EXPECT_LT(distance(p.y, naive.y), 1e-2);  // a score of 1e4 is known to 5e-4, a close probability to as much
    EXPECT_TRUE(p.y.data.allFinite() && p.lse.data.allFinite());
    EXPECT_TRUE(p.dq.data.allFinite() && p.dk.data.allFinite() && p.dv.data.allFinite());
  }
}

TEST(Attention, NaNIsNotSwallowed) {  // the trainer's watch for divergence relies on it
  for (const Index T : {Index{3}, Index{100}}) {
    Rng rng(37, "test");
    Problem<float> p(Case{"nan", 1, T, 1, 1, 4}, rng);
    p.q(T - 1, 2) = std::numeric_limits<float>::quiet_NaN();
    p.forward();
    EXPECT_TRUE(p.y.data.topRows(T - 1).allFinite());
    EXPECT_TRUE(p.y.data.row(T - 1).array().isNaN().all());
  }
}

TEST(Attention, AlibiSlopes) {
  const std::vector<double> eight = alibi_slopes(8);
  ASSERT_EQ(eight.size(), 8u);
  for (int h = 0; h < 8; ++h) EXPECT_DOUBLE_EQ(eight[static_cast<std::size_t>(h)], std::exp2(-(h + 1)));
  // As the paper's own code gives them: those of 4 heads, then every second one of 8.
  EXPECT_EQ(alibi_slopes(6), (std::vector<double>{1. / 4, 1. / 16, 1. / 64, 1. / 256, 1. / 2, 1. / 8}));
  EXPECT_EQ(alibi_slopes(1), (std::vector<double>{1. / 256}));
  EXPECT_TRUE(alibi_slopes(0).empty());
}

}  // namespace
}  // namespace kiln
