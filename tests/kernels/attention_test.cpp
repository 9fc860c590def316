// Fused attention against central differences, against plain loops, and against itself under what must not matter.
#include "kiln/kernels/attention.h"

#include "kiln/core/threads.h"
#include "kiln/kernels/attention_naive.h"

#include <gtest/gtest.h>

#include "support/gradient.h"
#include <cstring>
#include <limits>
#include <ostream>

namespace kiln {
namespace {

using testing::dot;
using testing::expect_gradient;
using testing::randn;
using testing::Tensor;

struct Case {
  const char* name;
  Index B, T, H, K, D;
  bool alibi = false;
  double dropout = 0.0;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

AttentionShape training_shape(const Case& c) { return {c.B, c.T, c.T, c.T, c.H, c.K, c.D}; }

Dropout make_dropout(const Case& c) { return {StepContext{.training = true, .seed = 5, .step = 3}, c.dropout, 2}; }

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
  AttentionShape shape;
  Dropout dropout;
  Tensor<Acc<T>> slopes;
  Tensor<T> q, k, v, dy, y, dq, dk, dv;
  Tensor<Acc<T>> log_sum;

  Problem(const Case& c, Rng& rng) : Problem(training_shape(c), c, rng) {}
  Problem(const AttentionShape& s, const Case& c, Rng& rng)
      : shape(s),
        dropout(make_dropout(c)),
        slopes(make_slopes<Acc<T>>(c)),
        q(randn<T>(rng, s.B * s.T, s.H * s.D)),
        k(randn<T>(rng, s.B * s.key_stride, s.K * s.D)),
        v(randn<T>(rng, s.B * s.key_stride, s.K * s.D)),
        dy(randn<T>(rng, s.B * s.T, s.H * s.D)),
        y(s.B * s.T, s.H * s.D, static_cast<T>(kNaN)),
        dq(y),
        dk(s.B * s.key_stride, s.K * s.D, static_cast<T>(kNaN)),
        dv(dk),
        log_sum(s.B * s.H, s.T, static_cast<Acc<T>>(kNaN)) {}

  void forward() { attention_forward<T>(shape, q.c(), k.c(), v.c(), slopes.cv(), dropout, y.m(), log_sum.m()); }
  void backward() {
    attention_backward<T>(shape, q.c(), k.c(), v.c(), slopes.cv(), dropout, y.c(), log_sum.c(), dy.c(), dq.m(), dk.m(),
                          dv.m());
  }
  void forward_naive() {
    attention_forward_naive<T>(shape, q.c(), k.c(), v.c(), slopes.cv(), dropout, y.m(), log_sum.m());
  }
  void backward_naive() {
    attention_backward_naive<T>(shape, q.c(), k.c(), v.c(), slopes.cv(), dropout, dy.c(), dq.m(), dk.m(), dv.m());
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
};
const Case kLarge[] = {
    {"tile", 3, 64, 4, 4, 32},
    {"tiles", 2, 192, 3, 3, 64},
    {"ragged", 2, 201, 4, 2, 20, true, 0.2},
    {"wide_heads", 1, 131, 2, 1, 144},
    {"three_key_tiles", 1, 300, 2, 1, 16, true, 0.1},
    {"tile_and_one", 1, 65, 1, 1, 6, false, 0.5},
    {"odd", 2, 77, 4, 2, 7, true, 0.2},
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
  EXPECT_LT(distance(fast.log_sum, naive.log_sum), tolerance);
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
  EXPECT_LT(distance(half.log_sum, full.log_sum), 1e-6);
  half.backward();
  full.backward_naive();
  EXPECT_LT(distance(half.dq, full.dq), 0x1p-8);
  EXPECT_LT(distance(half.dk, full.dk), 0x1p-8);
  EXPECT_LT(distance(half.dv, full.dv), 0x1p-9);
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
  EXPECT_TRUE(same_bits(one.log_sum, two.log_sum));
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
  attention_forward<float>(plain.shape, columns(all.c(), 0, k_begin), columns(all.c(), k_begin, k_width),
                           columns(all.c(), v_begin, k_width), plain.slopes.cv(), {}, sliced.y.m(), sliced.log_sum.m());
  attention_backward<float>(plain.shape, columns(all.c(), 0, k_begin), columns(all.c(), k_begin, k_width),
                            columns(all.c(), v_begin, k_width), plain.slopes.cv(), {}, sliced.y.c(), sliced.log_sum.c(),
                            plain.dy.c(), columns(gradients.m(), 0, k_begin), columns(gradients.m(), k_begin, k_width),
                            columns(gradients.m(), v_begin, k_width));
  Tensor<float> wanted = gradients;
  wanted.data << plain.dq.data, plain.dk.data, plain.dv.data;
  EXPECT_TRUE(same_bits(sliced.y, plain.y));
  EXPECT_TRUE(same_bits(gradients, wanted));
}

/// Generation by chunks of every size against the forward of the whole; what the cache holds beyond S is NaN.
template <class T>
void expect_cached_equals_full(const Case& c, double tolerance) {
  Rng rng(23, c.name);
  Problem<T> full(c, rng);
  full.forward();
  for (const Index chunk : {Index{1}, Index{3}, Index{9}, Index{130}}) {
    for (Index past = 0; past < c.T; past += chunk) {
      const Index count = std::min(chunk, c.T - past), seen = past + count;
      const AttentionShape shape{c.B, count, seen, c.T + 5, c.H, c.K, c.D};
      Problem<T> part(shape, c, rng);
      part.k.data.setConstant(static_cast<T>(Problem<T>::kNaN));
      part.v = part.k;
      Tensor<T> wanted = part.y;
      for (Index b = 0; b < c.B; ++b) {
        part.q.data.middleRows(b * count, count) = full.q.data.middleRows(b * c.T + past, count);
        part.k.data.middleRows(b * shape.key_stride, seen) = full.k.data.middleRows(b * c.T, seen);
        part.v.data.middleRows(b * shape.key_stride, seen) = full.v.data.middleRows(b * c.T, seen);
        wanted.data.middleRows(b * count, count) = full.y.data.middleRows(b * c.T + past, count);
      }
      part.log_sum = Tensor<Acc<T>>(0, 0);  // nobody goes back through generation
      part.forward();
      ASSERT_LT(distance(part.y, wanted), tolerance) << "chunk " << chunk << " past " << past;
    }
  }
}
TEST(Attention, CachedGenerationIsTheFullForward) {
  expect_cached_equals_full<float>({"heads", 1, 135, 2, 2, 16}, 1e-6);
  expect_cached_equals_full<double>({"grouped", 2, 135, 4, 2, 6, true}, 1e-14);
  // A rounding on each side, and of probabilities where many queries come at once.
  expect_cached_equals_full<bfloat16>({"half", 1, 135, 2, 2, 32}, 0x1p-8);
  expect_cached_equals_full<bfloat16>({"odd_half", 2, 135, 4, 2, 7, true}, 0x1p-8);
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
    EXPECT_TRUE(p.y.data.allFinite() && p.log_sum.data.allFinite());
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
