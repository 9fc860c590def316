// Products of bfloat16 in float, against plain loops in double, whatever processor the tests run on.
#include "kernels/widened_product.h"

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include "support/gradient.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace kiln {
namespace {

using testing::randn;
using testing::Tensor;

/// How a factor lies in memory: row by row, or as its own transpose.
enum class Lies { plain, across };

Strided<bfloat16> strided(const Tensor<bfloat16>& m, Lies lies) {
  const Index rows = m.data.rows(), cols = m.data.cols();
  if (lies == Lies::plain) return {m.data.data(), rows, cols, cols, 1};
  return {m.data.data(), cols, rows, 1, cols};
}

RowMajor<double> wide(const Strided<bfloat16>& m) {
  RowMajor<double> out(m.rows, m.cols);
  for (Index i = 0; i < m.rows; ++i) {
    for (Index j = 0; j < m.cols; ++j) out(i, j) = widen(m.data[i * m.row_stride + j * m.col_stride]);
  }
  return out;
}

/// The product in double, by plain loops over pointers: fast in builds without optimisation too.
RowMajor<double> naive(const Strided<bfloat16>& a, const Strided<bfloat16>& b) {
  const RowMajor<double> left = wide(a), right = wide(b);
  RowMajor<double> c = RowMajor<double>::Zero(a.rows, b.cols);
  for (Index i = 0; i < a.rows; ++i) {
    double* const sums = c.data() + i * b.cols;
    for (Index k = 0; k < a.cols; ++k) {
      const double factor = left(i, k);
      const double* const row = right.data() + k * b.cols;
      for (Index j = 0; j < b.cols; ++j) sums[j] += factor * row[j];
    }
  }
  return c;
}

struct Factors {
  Tensor<bfloat16> left, right;
  Lies left_lies, right_lies;

  Factors(Rng& rng, Index M, Index K, Index N, Lies l, Lies r)
      : left(l == Lies::plain ? randn<bfloat16>(rng, M, K) : randn<bfloat16>(rng, K, M)),
        right(r == Lies::plain ? randn<bfloat16>(rng, K, N) : randn<bfloat16>(rng, N, K)),
        left_lies(l),
        right_lies(r) {}
  Strided<bfloat16> a() const { return strided(left, left_lies); }
  Strided<bfloat16> b() const { return strided(right, right_lies); }
};

/// Every way in which the factors may lie, U be written and a bias be added.
template <class U>
void expect_products(Index M, Index K, Index N, double tolerance) {
  Rng rng(5, "test");
  for (const auto& [l, r] :
       {std::pair(Lies::plain, Lies::plain), {Lies::plain, Lies::across}, {Lies::across, Lies::plain}}) {
    const Factors factors(rng, M, K, N, l, r);
    const Tensor<bfloat16> bias = randn<bfloat16>(rng, 1, N);
    for (const Write write : {Write::overwrite, Write::accumulate}) {
      for (const bool has_bias : {false, true}) {
        Tensor<U> c = randn<U>(rng, M, N);
        RowMajor<double> expected = naive(factors.a(), factors.b());
        if (write == Write::accumulate) expected += c.data.template cast<double>();
        if (has_bias) expected.rowwise() += bias.data.template cast<double>().row(0);
        widened_product<U>(factors.a(), factors.b(), c.m(), write, has_bias ? bias.cv() : no_const_vec<bfloat16>());
        const double bound = tolerance * 10 * std::sqrt(static_cast<double>(std::max<Index>(K, 1)));
        EXPECT_LT((c.data.template cast<double>() - expected).cwiseAbs().maxCoeff(), bound)
            << M << "x" << K << "x" << N << (l == Lies::across ? ", left across" : "")
            << (r == Lies::across ? ", right across" : "");
      }
    }
  }
}

TEST(WidenedProduct, AgreesWithPlainLoops) {
  for (const auto& [M, K, N] : {std::array<Index, 3>{1, 1, 1},
                                {5, 0, 3},  // an empty sum
                                {7, 1, 9},
                                {12, 33, 32},
                                {13, 40, 33},
                                {264, 31, 384},     // a whole tile
                                {300, 100, 410},    // several, the last of them smaller
                                {20, 1000, 40}}) {  // stretches of the depth
    expect_products<float>(M, K, N, 1e-6);          // exact products, summed in float
    expect_products<bfloat16>(M, K, N, 0x1p-7);     // rounded to 8 bits once
  }
}

TEST(WidenedProduct, LeavesWhatLiesBesideItsResult) {
  Rng rng(6, "test");
  const Factors factors(rng, 14, 20, 35, Lies::plain, Lies::plain);
  Tensor<float> c(14, 60, 5.0f);
  widened_product<float>(factors.a(), factors.b(), columns(c.m(), 10, 35), Write::overwrite, no_const_vec<bfloat16>());
  EXPECT_EQ((c.data.leftCols(10).array() == 5.0f).all(), true);
  EXPECT_EQ((c.data.rightCols(15).array() == 5.0f).all(), true);
  EXPECT_LT((c.data.middleCols(10, 35).cast<double>() - naive(factors.a(), factors.b())).cwiseAbs().maxCoeff(), 1e-4);
}

TEST(WidenedProduct, NotANumberStaysInItsRow) {
  Rng rng(7, "test");
  for (const Lies lies : {Lies::plain, Lies::across}) {
    Factors factors(rng, 30, 50, 40, lies, Lies::plain);
    const auto bad = bfloat16(std::numeric_limits<float>::quiet_NaN());
    (lies == Lies::plain ? factors.left.data(17, 3) : factors.left.data(3, 17)) = bad;
    Tensor<bfloat16> c(30, 40);
    widened_product<bfloat16>(factors.a(), factors.b(), c.m(), Write::overwrite, no_const_vec<bfloat16>());
    for (Index i = 0; i < 30; ++i) {
      for (Index j = 0; j < 40; ++j) EXPECT_EQ(std::isnan(widen(c.data(i, j))), i == 17) << i << "," << j;
    }
  }
}

template <class U>
std::vector<U> bits(const Factors& factors, int thread_count) {
  set_threads(thread_count);
  Tensor<U> c(factors.a().rows, factors.b().cols);
  widened_product<U>(factors.a(), factors.b(), c.m(), Write::overwrite, no_const_vec<bfloat16>());
  set_threads(0);
  return {c.data.data(), c.data.data() + c.data.size()};
}

TEST(WidenedProduct, HasTheSameBitsForAnyThreadCount) {
  Rng rng(8, "test");
  for (const auto& [M, K, N] : {std::array<Index, 3>{128, 700, 130}, {9, 64, 1500}, {600, 50, 40}}) {
    const Factors factors(rng, M, K, N, Lies::across, Lies::plain);
    for (const int count : {2, 3}) {
      EXPECT_TRUE(bits<float>(factors, 1) == bits<float>(factors, count)) << M << "x" << K << "x" << N;
      EXPECT_TRUE(bits<bfloat16>(factors, 1) == bits<bfloat16>(factors, count)) << M << "x" << K << "x" << N;
    }
  }
}

}  // namespace
}  // namespace kiln
