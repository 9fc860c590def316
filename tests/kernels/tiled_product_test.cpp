// Products in tiles, against plain loops in double, whatever processor the tests run on: by the compiler's vectors, by
// a model of AMX's registers, and by AVX2, AVX-512, AVX512-BF16 and Arm's BFMMLA where the processor has them. Where it
// has AMX, matmul_test multiplies by the registers themselves.
#include "kernels/tiled_product.h"

#include "kiln/core/processor.h"
#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include <fmt/format.h>

#include "kernels/amx_microkernel.h"
#include "kernels/avx2_block.h"
#include "kernels/avx512_block.h"
#include "kernels/bfmmla_block.h"
#include "kernels/vector_block.h"
#include "kernels/vector_microkernel.h"
#include "support/gradient.h"
#include "support/products.h"
#include "support/sanitized.h"
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace kiln {
namespace {

using testing::largest_error, testing::plain_product;
using testing::randn;
using testing::Tensor;

/// What AmxRegisters does, by the manual's account of each instruction, but for denormal numbers, which AMX takes for
/// zero.
class ModelRegisters {
 public:
  static constexpr int kSize = 16, kTiles = 8;

  ModelRegisters() {
    EXPECT_FALSE(in_use_);
    in_use_ = true;
    for (int i = 0; i < kTiles; ++i) tile(i).fill(0.0f);
  }
  ~ModelRegisters() { in_use_ = false; }
  ModelRegisters(const ModelRegisters&) = delete;
  ModelRegisters& operator=(const ModelRegisters&) = delete;

  template <int I>
  static void zero() {
    tile(I).fill(0.0f);
  }
  template <int I>
  static void load(const float* data, Index pitch) {
    for (int r = 0; r < kSize; ++r) std::copy_n(data + r * pitch, kSize, &tile(I)[at(r, 0)]);
  }
  template <int I>
  static void store(float* data, Index pitch) {
    for (int r = 0; r < kSize; ++r) std::copy_n(&tile(I)[at(r, 0)], kSize, data + r * pitch);
  }
  template <int Sums, int Left, int Right>
  static void multiply_add() {
    const Tile &a = tile(Left), &b = tile(Right);
    float left[kSize][2 * kSize], right[2 * kSize][kSize];  // numbers, as they multiply
    for (int i = 0; i < kSize; ++i) {
      for (int w = 0; w < kSize; ++w) {
        for (const int n : {0, 1}) {
          left[i][2 * w + n] = number(a[at(i, w)], n);
          right[2 * i + n][w] = number(b[at(i, w)], n);
        }
      }
    }
    for (int i = 0; i < kSize; ++i) {
      float even[kSize] = {}, odd[kSize] = {};
      for (int k = 0; k < 2 * kSize; k += 2) {
        for (int j = 0; j < kSize; ++j) {
          even[j] += left[i][k] * right[k][j];
          odd[j] += left[i][k + 1] * right[k + 1][j];
        }
      }
      for (int j = 0; j < kSize; ++j) tile(Sums)[at(i, j)] += even[j] + odd[j];
    }
  }

 private:
  using Tile = std::array<float, kSize * kSize>;
  static float number(float word, int n) {
    return widen(std::bit_cast<std::array<bfloat16, 2>>(word)[static_cast<std::size_t>(n)]);
  }
  static std::size_t at(Index row, Index col) { return static_cast<std::size_t>(row * kSize + col); }
  static Tile& tile(int i) {
    EXPECT_TRUE(in_use_);
    static thread_local std::array<Tile, kTiles> tiles;
    return tiles[static_cast<std::size_t>(i)];
  }
  static inline thread_local bool in_use_ = false;
};

/// Returns what a microkernel needs of the CPU, or nullptr if it has that.
template <class Microkernel>
struct Needs {
  static const char* missing() { return nullptr; }
};
#if defined(__x86_64__)
template <class T, Index... Sizes>
struct Needs<VectorMicrokernel<T, Avx2Block, Sizes...>> {
  static const char* missing() { return has_avx2() ? nullptr : "AVX2"; }
};
template <class T, Index PerWord, Index... Sizes>
struct Needs<VectorMicrokernel<T, Avx512Block<PerWord>, Sizes...>> {
  static const char* missing() {
    if (!has_avx512()) return "AVX-512";
    return PerWord == 1 || has_bfloat16_products() ? nullptr : "AVX512-BF16";
  }
};
#elif defined(KILN_BFMMLA)
template <Index... Sizes>
struct Needs<VectorMicrokernel<bfloat16, BfmmlaBlock, Sizes...>> {
  static const char* missing() { return has_bfloat16_products() ? nullptr : "BF16"; }
};
#endif

template <class Microkernel>
class TiledProduct : public ::testing::Test {
  void SetUp() override {
    if (const char* missing = Needs<Microkernel>::missing()) GTEST_SKIP() << "no " << missing;
  }
};
using Microkernels = ::testing::Types<
#if defined(__x86_64__)
    VectorMicrokernel<float, Avx2Block>, VectorMicrokernel<bfloat16, Avx2Block>,
    VectorMicrokernel<float, Avx2Block, 18, 48, 24>, VectorMicrokernel<float, Avx512Block<1>>,
    VectorMicrokernel<bfloat16, Avx512Block<1>>, VectorMicrokernel<float, Avx512Block<1>, 28, 64, 24>,
    VectorMicrokernel<bfloat16, Avx512Block<2>>, VectorMicrokernel<bfloat16, Avx512Block<2>, 28, 64, 24>,
#elif defined(KILN_BFMMLA)
    VectorMicrokernel<bfloat16, BfmmlaBlock>, VectorMicrokernel<bfloat16, BfmmlaBlock, 16, 48, 24>,
#endif
    VectorMicrokernel<bfloat16, VectorBlock<float>>, VectorMicrokernel<float, VectorBlock<float>, 24, 96, 24>,
    AmxMicrokernel<ModelRegisters, 96, 64, 128>>;
TYPED_TEST_SUITE(TiledProduct, Microkernels);

/// How a factor lies in memory: row by row, or as its own transpose.
enum class Lies { plain, across };

/// A factor within a larger matrix, and nothing that may be read beside it.
template <class T>
class Factor {
 public:
  Factor(Rng& rng, Index rows, Index cols, Lies lies, Index beside = 3)
      : rows_(rows), cols_(cols), beside_(beside), lies_(lies), memory_(lines(), pitch(), T(std::nanf(""))) {
    for (Index i = 0; i < lines(); ++i) {
      for (Index j = 0; j < pitch() - beside_; ++j)
        row(memory_.m(), i)[j] = narrow<T>(static_cast<float>(rng.normal()));
    }
  }

  Strided<T> view() const {
    const T* const data = memory_.data.data();
    if (lies_ == Lies::plain) return {data, rows_, cols_, pitch(), 1};
    return {data, rows_, cols_, 1, pitch()};
  }
  T& operator()(Index i, Index j) { return lies_ == Lies::plain ? memory_(i, j) : memory_(j, i); }
  std::vector<double> wide() const {
    const Strided<T> m = view();
    return testing::wide(m.data, m.rows, m.cols, m.row_stride, m.col_stride);
  }
  Lies lies() const { return lies_; }

 private:
  Index lines() const { return lies_ == Lies::plain ? rows_ : cols_; }
  Index pitch() const { return (lies_ == Lies::plain ? cols_ : rows_) + beside_; }

  Index rows_, cols_, beside_;
  Lies lies_;
  Tensor<T> memory_;
};

template <class Microkernel, class T = typename Microkernel::Factor>
struct Factors {
  Factor<T> left, right;

  Factors(Rng& rng, Index M, Index K, Index N, Lies l, Lies r, Index beside = 3)
      : left(rng, M, K, l, beside), right(rng, K, N, r, beside) {}
  Strided<T> a() const { return left.view(); }
  Strided<T> b() const { return right.view(); }
  std::vector<double> product() const { return plain_product(left.wide(), right.wide(), a().rows, a().cols, b().cols); }
};

/// Every way of writing a product and adding a bias: in float near the plain product, in the factors' type the same,
/// rounded once.
template <class Microkernel, class T = typename Microkernel::Factor>
void expect_tiled_product(const Factors<Microkernel>& factors) {
  const Index M = factors.a().rows, K = factors.a().cols, N = factors.b().cols;
  const std::vector<double> product = factors.product();
  Rng rng(5, "test");
  const Tensor<T> bias = randn<T>(rng, 1, N), start = randn<T>(rng, M, N);
  Tensor<float> float_start(M, N);
  for (Index i = 0; i < M * N; ++i) float_start.data.data()[i] = widen(start.data.data()[i]);
  for (const Write write : {Write::overwrite, Write::accumulate}) {
    for (const bool has_bias : {false, true}) {
      SCOPED_TRACE(fmt::format("{} x {} x {}{}{}", M, K, N, factors.left.lies() == Lies::across ? ", left across" : "",
                               factors.right.lies() == Lies::across ? ", right across" : ""));
      const ConstVec<T> added = has_bias ? bias.cv() : no_const_vec<T>();
      Tensor<float> sums = float_start;
      Tensor<T> rounded = start;
      tiled_product<Microkernel, float>(factors.a(), factors.b(), sums.m(), write, added);
      tiled_product<Microkernel, T>(factors.a(), factors.b(), rounded.m(), write, added);
      const double error =
          largest_error(sums, product, write == Write::accumulate ? &float_start : nullptr, has_bias ? &bias : nullptr);
      EXPECT_LT(error, 1e-5 * std::sqrt(static_cast<double>(std::max<Index>(K, 1))));
      Index different = 0;
      for (Index i = 0; i < M * N; ++i) {
        different += rounded.data.data()[i] == narrow<T>(sums.data.data()[i]) ? 0 : 1;
      }
      EXPECT_EQ(different, 0);
    }
  }
}

TYPED_TEST(TiledProduct, AgreesWithPlainLoops) {
  constexpr Index kRows = TypeParam::kTileRows, kCols = TypeParam::kTileCols, kDepth = TypeParam::kDepth;
  Rng rng(4, "test");
  for (const auto& [M, K, N] : {std::array<Index, 3>{1, 1, 1},
                                {5, 0, 3},  // an empty sum
                                {7, 1, 9},
                                {12, 33, 32},
                                {13, 40, 33},
                                {kRows, 31, kCols},            // a whole tile
                                {kRows + 36, 50, kCols + 26},  // several, some of them smaller
                                {kRows, kDepth + 1, kCols},    // and a whole stretch of the depth
                                {kRows - 1, kDepth - 1, kCols - 1},
                                {20, 1100, 40}}) {  // stretches of the depth
    if (testing::kEmulated && M * K * N > 10'000'000) continue;
    for (const Lies left : {Lies::plain, Lies::across}) {
      for (const Lies right : {Lies::plain, Lies::across}) {
        expect_tiled_product<TypeParam>(Factors<TypeParam>(rng, M, K, N, left, right));
      }
    }
  }
}

TEST(AmxMicrokernel, AgreesWithPlainLoopsInTilesOfItsUsualSize) {
  Rng rng(9, "test");
  using Usual = AmxMicrokernel<ModelRegisters>;
  expect_tiled_product<Usual>(Factors<Usual>(rng, 450, 40, 20, Lies::plain, Lies::plain));
  expect_tiled_product<Usual>(Factors<Usual>(rng, 40, 550, 490, Lies::across, Lies::across));
}

// Each row and column count around the sizes of blocks and tiles, with depths around those of vectors and stretches.
TYPED_TEST(TiledProduct, AgreesWithPlainLoopsInEverySize) {
  constexpr Index kRows = TypeParam::kRows, kCols = TypeParam::kCols, kDepth = TypeParam::kDepth;
  const std::array<Index, 11> depths{1, 2, 7, 8, 9, 15, 16, 17, kDepth - 1, kDepth, kDepth + 1};
  Rng rng(10, "test");
  std::size_t n = 0;
  for (Index M = 1; M <= 3 * kRows + 1 && M <= 40; ++M) {
    for (Index N = 1; N <= 2 * kCols + 4; N += N % kCols < 2 || M % kRows < 2 ? 1 : 3) {
      const Lies left = n % 2 == 0 ? Lies::plain : Lies::across, right = n / 2 % 2 == 0 ? Lies::plain : Lies::across;
      expect_tiled_product<TypeParam>(Factors<TypeParam>(rng, M, depths[n++ % depths.size()], N, left, right));
    }
  }
}

TYPED_TEST(TiledProduct, LeavesWhatLiesBesideItsResult) {
  Rng rng(6, "test");
  using T = typename TypeParam::Factor;
  const Factors<TypeParam> factors(rng, 14, 20, 35, Lies::plain, Lies::plain);
  Tensor<float> c(14, 60, 5.0f);
  tiled_product<TypeParam, float>(factors.a(), factors.b(), columns(c.m(), 10, 35), Write::overwrite,
                                  no_const_vec<T>());
  EXPECT_EQ((c.data.leftCols(10).array() == 5.0f).all(), true);
  EXPECT_EQ((c.data.rightCols(15).array() == 5.0f).all(), true);
  Tensor<float> middle(14, 35);
  middle.data = c.data.middleCols(10, 35);
  EXPECT_LT(largest_error(middle, factors.product()), 1e-4);
}

TYPED_TEST(TiledProduct, NotANumberStaysInItsRowOrColumn) {
  Rng rng(7, "test");
  using T = typename TypeParam::Factor;
  const auto bad = T(std::numeric_limits<float>::quiet_NaN());
  for (const Lies lies : {Lies::plain, Lies::across}) {
    for (const bool in_left : {false, true}) {
      Factors<TypeParam> factors(rng, 30, 50, 40, lies, lies);
      (in_left ? factors.left(17, 3) : factors.right(3, 17)) = bad;
      Tensor<T> c(30, 40);
      tiled_product<TypeParam, T>(factors.a(), factors.b(), c.m(), Write::overwrite, no_const_vec<T>());
      for (Index i = 0; i < 30; ++i) {
        for (Index j = 0; j < 40; ++j) {
          EXPECT_EQ(std::isnan(widen(c(i, j))), (in_left ? i : j) == 17) << i << "," << j;
        }
      }
    }
  }
}

TYPED_TEST(TiledProduct, CoversItsResultOnceWithTilesForAllThreads) {
  constexpr Index kRows = TypeParam::kTileRows, kCols = TypeParam::kTileCols;
  set_threads(3);
  for (const auto& [rows, cols] : {std::array<Index, 2>{1, 1}, {9, 5}, {kRows, kCols}, {kRows + 1, 3 * kCols - 1}}) {
    const ProductGrid<TypeParam> grid(rows, cols);
    RowMajor<int> visits = RowMajor<int>::Zero(rows, cols);
    for (Index i = 0; i < grid.count(); ++i) {
      const auto tile = grid[i];
      EXPECT_TRUE(tile.rows <= kRows && tile.cols <= kCols);
      ASSERT_TRUE(tile.rows > 0 && tile.cols > 0);
      visits.block(tile.row, tile.col, tile.rows, tile.cols).array() += 1;
    }
    EXPECT_EQ(visits.minCoeff(), 1) << rows << "x" << cols;
    EXPECT_EQ(visits.maxCoeff(), 1) << rows << "x" << cols;
  }
  constexpr Index kBlocks = kRows / TypeParam::kRows * (kCols / TypeParam::kCols);
  if (kBlocks >= 9) {
    EXPECT_GE(ProductGrid<TypeParam>(kRows, kCols).count(), 3);
  }
  set_threads(0);
}

template <class U, class Microkernel, class T = typename Microkernel::Factor>
std::vector<U> bits(const Factors<Microkernel>& factors, int thread_count) {
  set_threads(thread_count);
  Tensor<U> c(factors.a().rows, factors.b().cols, U(0.5f));
  tiled_product<Microkernel, U>(factors.a(), factors.b(), c.m(), Write::accumulate, no_const_vec<T>());
  set_threads(0);
  return {c.data.data(), c.data.data() + c.data.size()};
}

TYPED_TEST(TiledProduct, HasTheSameBitsForAnyThreadCount) {
  using T = typename TypeParam::Factor;
  Rng rng(8, "test");
  for (const auto& [M, K, N] : {std::array<Index, 3>{128, 700, 130}, {9, 64, 1500}, {600, 50, 40}}) {
    const Factors<TypeParam> factors(rng, M, K, N, Lies::across, Lies::plain);
    const auto one = bits<float>(factors, 1);
    const auto one_rounded = bits<T>(factors, 1);
    for (const int count : {2, 3, 4, 8}) {
      EXPECT_TRUE(bits<float>(factors, count) == one) << M << "x" << K << "x" << N << ", " << count << " threads";
      EXPECT_TRUE(bits<T>(factors, count) == one_rounded) << M << "x" << K << "x" << N << ", " << count << " threads";
    }
  }
}

// Lines of whole pages fall into one set of the L1 cache, so the left factor is packed although it could stay.
TYPED_TEST(TiledProduct, AgreesWithPlainLoopsWhereLinesAreWholePages) {
  Rng rng(13, "test");
  constexpr Index kPage = 4096 / sizeof(typename TypeParam::Factor);
  for (const Lies left : {Lies::plain, Lies::across}) {
    expect_tiled_product<TypeParam>(Factors<TypeParam>(rng, left == Lies::plain ? 30 : kPage,
                                                       left == Lies::plain ? kPage : 30, 35, left, Lies::plain, 0));
  }
}

}  // namespace
}  // namespace kiln
