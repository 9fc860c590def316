// Every orientation, type and way of writing of the matrix product, against plain loops.
#include "kiln/kernels/matmul.h"

#include "kiln/core/memory.h"
#include "kiln/core/threads.h"

#include "support/gradient.h"
#include "support/products.h"
#include "support/sanitized.h"
#include <atomic>
#include <vector>

namespace kiln {
namespace {

using testing::largest_error, testing::plain_product, testing::wide;
using testing::randn;
using testing::Tensor;

template <class T>
Tensor<T> transpose_of(const Tensor<T>& m) {
  Tensor<T> out(m.data.cols(), m.data.rows());
  for (Index i = 0; i < m.data.rows(); ++i) {
    for (Index j = 0; j < m.data.cols(); ++j) out.data.data()[j * m.data.rows() + i] = row(m.c(), i)[j];
  }
  return out;
}

template <class T, class U>
void expect_products(Index M, Index K, Index N, double tolerance) {
  Rng rng(11, "test");
  const Tensor<T> a = randn<T>(rng, M, K), b = randn<T>(rng, K, N), bias = randn<T>(rng, 1, N);
  const Tensor<T> a_t = transpose_of(a), b_t = transpose_of(b);
  const Tensor<U> start = randn<U>(rng, M, N);
  const std::vector<double> product =
      plain_product(wide(a.data.data(), M, K, K, 1), wide(b.data.data(), K, N, N, 1), M, K, N);
  const double bound = tolerance * std::sqrt(static_cast<double>(K)) * 10;
  for (const bool has_bias : {false, true}) {
    for (const Write write : {Write::overwrite, Write::accumulate}) {
      const ConstVec<T> added = has_bias ? bias.cv() : no_const_vec<T>();
      const auto expect = [&](auto&& multiply) {
        Tensor<U> c = start;
        multiply(c.m());
        const double error =
            largest_error(c, product, write == Write::accumulate ? &start : nullptr, has_bias ? &bias : nullptr);
        EXPECT_LT(error, bound) << M << "x" << K << "x" << N;
      };
      expect([&](Mat<U> c) { matmul<T, U>(a.c(), b.c(), c, write, added); });
      expect([&](Mat<U> c) { matmul_nt<T, U>(a.c(), b_t.c(), c, write, added); });
      expect([&](Mat<U> c) { matmul_tn<T, U>(a_t.c(), b.c(), c, write, added); });
    }
  }
}

class Matmul : public ::testing::Test {
 protected:
  void SetUp() override { set_threads(2); }
  void TearDown() override { set_threads(0); }
};

TEST_F(Matmul, AgreesWithPlainLoopsInEveryType) {
  for (const auto& [M, K, N] : {std::array<Index, 3>{1, 1, 1},
                                {3, 5, 7},
                                {1, 64, 33},
                                {2, 100, 97},
                                {4, 33, 64},
                                {5, 8, 31},
                                {8, 129, 200},
                                {9, 40, 40},
                                {65, 17, 2},
                                {40, 70, 130},
                                {300, 20, 410},   // several tiles, the last of a row or column smaller
                                {460, 520, 17},   // several of AMX's, and two stretches of the depth
                                {90, 1700, 50},   // stretches of the depth
                                {130, 40, 1024},  // rows of whole pages
                                {8, 2000, 5},
                                {400, 257, 800}}) {  // several tiles, and one step more than a stretch
    expect_products<float, float>(M, K, N, 1e-6);
    expect_products<double, double>(M, K, N, 1e-14);
    expect_products<bfloat16, float>(M, K, N, 1e-6);       // exact products, summed in float
    expect_products<bfloat16, bfloat16>(M, K, N, 0x1p-7);  // rounded to 8 bits once
  }
}

TEST_F(Matmul, ReadsAndWritesColumnSlices) {
  Rng rng(3, "test");
  Tensor<float> a = randn<float>(rng, 6, 20), b = randn<float>(rng, 9, 11), c(6, 30, 5.0f);
  matmul<float, float>(columns(a.c(), 4, 9), b.c(), columns(c.m(), 10, 11));
  const RowMajor<float> expected = a.data.middleCols(4, 9) * b.data;
  EXPECT_LT((c.data.middleCols(10, 11) - expected).cwiseAbs().maxCoeff(), 1e-5f);
  EXPECT_EQ(c.data.leftCols(10).minCoeff(), 5.0f);
  EXPECT_EQ(c.data.rightCols(9).maxCoeff(), 5.0f);
}

TEST_F(Matmul, TakesASingleRowWhateverItsStride) {
  Rng rng(4, "test");
  Tensor<float> a = randn<float>(rng, 1, 8), b = randn<float>(rng, 5, 8), c(1, 5);
  for (const Index stride : {Index{0}, Index{3}, Index{8}, Index{800}}) {
    const ConstMat<float> view(a.data.data(), 1, 8, Eigen::OuterStride<>(stride));
    matmul_nt<float, float>(view, b.c(), c.m());
    EXPECT_LT((c.data - a.data * b.data.transpose()).cwiseAbs().maxCoeff(), 1e-5f) << stride;
  }
}

TEST_F(Matmul, EmptyOutputsAreLeftAlone) {
  Tensor<float> a(0, 4), b(4, 3), c(0, 3);
  matmul<float, float>(a.c(), b.c(), c.m());
  EXPECT_EQ(c.data.size(), 0);
}

/// (M, K) times (K, N) in every orientation, added to what is there or written.
template <class T, class U>
struct Products {
  Tensor<T> a, b, a_t, b_t;
  Tensor<U> start;

  Products(Rng& rng, Index M, Index K, Index N)
      : a(randn<T>(rng, M, K)),
        b(randn<T>(rng, K, N)),
        a_t(transpose_of(a)),
        b_t(transpose_of(b)),
        start(randn<U>(rng, M, N)) {}

  std::vector<U> bits() const {
    std::vector<U> bits;
    const auto add = [&](auto&& product) {
      Tensor<U> c = start;
      product(c.m());
      bits.insert(bits.end(), c.data.data(), c.data.data() + c.data.size());
    };
    add([&](Mat<U> c) { matmul<T, U>(a.c(), b.c(), c, Write::accumulate); });
    add([&](Mat<U> c) { matmul_nt<T, U>(a.c(), b_t.c(), c); });
    add([&](Mat<U> c) { matmul_tn<T, U>(a_t.c(), b.c(), c, Write::accumulate); });
    return bits;
  }
};

template <class T, class U>
void expect_same_bits_for_any_thread_count(Index M, Index K, Index N) {
  Rng rng(12, "test");
  const Products<T, U> products(rng, M, K, N);
  set_threads(1);
  const std::vector<U> one = products.bits();
  for (const int count : testing::kSanitized ? std::vector{3} : std::vector{2, 3, 4, 8}) {
    set_threads(count);
    EXPECT_TRUE(products.bits() == one) << M << "x" << K << "x" << N << ", " << count << " threads";
  }
  set_threads(2);
  std::atomic<int> different{0};
  parallel_each(2, [&](Index) { different += products.bits() == one ? 0 : 1; });  // as Muon multiplies whole matrices
  EXPECT_EQ(different, 0) << M << "x" << K << "x" << N << ", in a parallel loop";
  set_threads(0);
}

TEST_F(Matmul, ProductsHaveTheSameBitsForAnyThreadCount) {
  for (const auto& [M, K, N] : {std::array<Index, 3>{64, 4096, 64},
                                {768, 128, 384},
                                {70, 1100, 70},
                                {5, 300, 900},
                                {33, 1, 1},
                                {300, 512, 1024}}) {  // rows of whole pages
    if (testing::kEmulated && M * K * N > 30'000'000) continue;
    expect_same_bits_for_any_thread_count<float, float>(M, K, N);
    expect_same_bits_for_any_thread_count<double, double>(M, K, N);
    expect_same_bits_for_any_thread_count<bfloat16, float>(M, K, N);
    expect_same_bits_for_any_thread_count<bfloat16, bfloat16>(M, K, N);
  }
}

// Batches of sequences of any length bring a row count of their own each.
TEST_F(Matmul, MemoryStaysFlatOverTenThousandRowCounts) {
  if (testing::kEmulated) GTEST_SKIP() << "minutes of arithmetic";
  constexpr Index kMost = 10'000, kDepth = 8, kColumns = 12;
  Tensor<float> a(kMost, kDepth, 0.5f), b(kDepth, kColumns, 0.25f), c(kMost, kColumns);
  const auto multiply_up_to = [&](Index first, Index last) {
    for (Index count = first; count < last; ++count)
      matmul<float, float>(rows(a.c(), 0, count), b.c(), rows(c.m(), 0, count));
  };
  multiply_up_to(1, 3000);
  const std::uint64_t before = resident_memory_bytes();
  multiply_up_to(3000, kMost);
  EXPECT_EQ(c(kMost - 2, kColumns - 1), 1.0f);
  if (!testing::kSanitized) {  // which keep freed memory
    EXPECT_LT(resident_memory_bytes(), before + (16u << 20));
  }
}

}  // namespace
}  // namespace kiln
