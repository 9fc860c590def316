// Every orientation, type and way of writing of the matrix product, against plain loops.
#include "kiln/kernels/matmul.h"

#include "kiln/core/threads.h"

#include "support/gradient.h"

namespace kiln {
namespace {

using testing::randn;
using testing::Tensor;

/// c[i,j] = initial[i,j] + bias[j] + sum_k a[i,k] b[k,j], in double.
RowMajor<double> naive(const RowMajor<double>& a, const RowMajor<double>& b, const RowMajor<double>& initial,
                       const RowMajor<double>& bias) {
  RowMajor<double> c = initial;
  for (Index i = 0; i < a.rows(); ++i) {
    for (Index j = 0; j < b.cols(); ++j) {
      if (bias.size() > 0) c(i, j) += bias(0, j);
      for (Index k = 0; k < a.cols(); ++k) c(i, j) += a(i, k) * b(k, j);
    }
  }
  return c;
}

template <class T>
RowMajor<double> wide(const Tensor<T>& t) {
  return t.data.template cast<double>();
}

template <class T, class U>
void expect_products(Index M, Index K, Index N, double tolerance) {
  Rng rng(11, "test");
  for (const bool with_bias : {false, true}) {
    for (const Write write : {Write::overwrite, Write::accumulate}) {
      Tensor<T> a = randn<T>(rng, M, K), b = randn<T>(rng, K, N), bias = randn<T>(rng, 1, N);
      Tensor<T> a_t(K, M), b_t(N, K);
      a_t.data = a.data.transpose();
      b_t.data = b.data.transpose();
      Tensor<U> initial = randn<U>(rng, M, N);
      const RowMajor<double> start = write == Write::accumulate ? wide(initial) : RowMajor<double>::Zero(M, N);
      const RowMajor<double> expected = naive(wide(a), wide(b), start, with_bias ? wide(bias) : RowMajor<double>());
      const ConstVec<T> added = with_bias ? bias.cv() : no_const_vec<T>();
      Tensor<U> nn = initial, nt = initial, tn = initial;
      matmul<T, U>(a.c(), b.c(), nn.m(), write, added);
      matmul_nt<T, U>(a.c(), b_t.c(), nt.m(), write, added);
      matmul_tn<T, U>(a_t.c(), b.c(), tn.m(), write, added);
      const double scale = tolerance * std::sqrt(static_cast<double>(K)) * 10;
      EXPECT_LT((wide(nn) - expected).cwiseAbs().maxCoeff(), scale) << M << "x" << K << "x" << N;
      EXPECT_LT((wide(nt) - expected).cwiseAbs().maxCoeff(), scale) << M << "x" << K << "x" << N;
      EXPECT_LT((wide(tn) - expected).cwiseAbs().maxCoeff(), scale) << M << "x" << K << "x" << N;
    }
  }
}

TEST(Matmul, AgreesWithPlainLoopsInEveryType) {
  for (const auto& [M, K, N] : {std::array<Index, 3>{1, 1, 1},
                                {3, 5, 7},
                                {1, 64, 33},
                                {2, 100, 97},
                                {4, 33, 64},
                                {5, 8, 31},
                                {8, 129, 200},
                                {9, 40, 40},
                                {65, 17, 2},
                                {40, 70, 130}}) {
    expect_products<float, float>(M, K, N, 1e-6);
    expect_products<double, double>(M, K, N, 1e-14);
    expect_products<bfloat16, float>(M, K, N, 1e-6);       // exact products, summed in float
    expect_products<bfloat16, bfloat16>(M, K, N, 0x1p-7);  // rounded to 8 bits once
  }
}

TEST(Matmul, ReadsAndWritesColumnSlices) {
  Rng rng(3, "test");
  Tensor<float> a = randn<float>(rng, 6, 20), b = randn<float>(rng, 9, 11), c(6, 30, 5.0f);
  matmul<float, float>(columns(a.c(), 4, 9), b.c(), columns(c.m(), 10, 11));
  const RowMajor<float> expected = a.data.middleCols(4, 9) * b.data;
  EXPECT_LT((c.data.middleCols(10, 11) - expected).cwiseAbs().maxCoeff(), 1e-5f);
  EXPECT_EQ(c.data.leftCols(10).minCoeff(), 5.0f);
  EXPECT_EQ(c.data.rightCols(9).maxCoeff(), 5.0f);
}

TEST(Matmul, TakesASingleRowWhateverItsStride) {
  Rng rng(4, "test");
  Tensor<float> a = randn<float>(rng, 1, 8), b = randn<float>(rng, 5, 8), c(1, 5);
  for (const Index stride : {Index{0}, Index{3}, Index{8}, Index{800}}) {
    const ConstMat<float> view(a.data.data(), 1, 8, Eigen::OuterStride<>(stride));
    matmul_nt<float, float>(view, b.c(), c.m());
    EXPECT_LT((c.data - a.data * b.data.transpose()).cwiseAbs().maxCoeff(), 1e-5f) << stride;
  }
}

TEST(Matmul, EmptyOutputsAreLeftAlone) {
  Tensor<float> a(0, 4), b(4, 3), c(0, 3);
  matmul<float, float>(a.c(), b.c(), c.m());
  EXPECT_EQ(c.data.size(), 0);
}

}  // namespace
}  // namespace kiln
