// The rotary embedding against the formula, its inverse, and the property that it exists for.
#include "kiln/kernels/rope.h"

#include <gtest/gtest.h>

#include "support/gradient.h"
#include "support/sequences.h"
#include <cmath>

namespace kiln {
namespace {

using testing::equal_positions;
using testing::randn;
using testing::Tensor;

constexpr Index kPositions = 40;
constexpr double kTheta = 10000;

template <class T>
ConstMat<Acc<T>> view(const std::vector<Acc<T>>& table, Index head_size) {
  return mat(table.data(), static_cast<Index>(table.size()) / head_size, head_size);
}

TEST(Rope, TableHoldsTheAngles) {
  const std::vector<float> table = rope_table<float>(100001, 6, kTheta);
  for (const Index p : {Index{0}, Index{1}, Index{777}, Index{100000}}) {
    for (Index i = 0; i < 3; ++i) {
      const double angle = static_cast<double>(p) * std::pow(kTheta, -static_cast<double>(i) / 3);
      EXPECT_NEAR(view<float>(table, 6)(p, i), std::cos(angle), 1e-7) << p << " " << i;
      EXPECT_NEAR(view<float>(table, 6)(p, 3 + i), std::sin(angle), 1e-7) << p << " " << i;
    }
  }
}

TEST(Rope, RotatesEachHeadByItsPosition) {
  const Index B = 2, T = 5, heads = 3, D = 6, first = 4;
  Rng rng(3, "test");
  const Tensor<double> x = randn(rng, B * T, heads * D);
  Tensor<double> y = x;
  const std::vector<double> table = rope_table<double>(kPositions, D, kTheta);
  rope_forward<double>(y.m(), D, equal_positions(B, T, first), view<double>(table, D));
  for (Index n = 0; n < B * T; ++n) {
    for (Index h = 0; h < heads; ++h) {
      for (Index i = 0; i < D / 2; ++i) {
        const double angle = static_cast<double>(first + n % T) * std::pow(kTheta, -2.0 * static_cast<double>(i) / D);
        const double a = x.data(n, h * D + i), b = x.data(n, h * D + i + D / 2);
        EXPECT_NEAR(y(n, h * D + i), a * std::cos(angle) - b * std::sin(angle), 1e-14);
        EXPECT_NEAR(y(n, h * D + i + D / 2), b * std::cos(angle) + a * std::sin(angle), 1e-14);
      }
    }
  }
}

TEST(Rope, BackwardMatchesCentralDifferences) {
  const Index T = 4, D = 6;
  Rng rng(5, "test");
  Tensor<double> x = randn(rng, 2 * T, 2 * D);
  const Tensor<double> dy = randn(rng, 2 * T, 2 * D);
  const std::vector<double> table = rope_table<double>(kPositions, D, kTheta);
  Tensor<double> dx = dy;
  rope_backward<double>(dx.m(), D, equal_positions(2, T, 7), view<double>(table, D));
  testing::expect_gradient("x", x, dx, [&] {
    Tensor<double> y = x;
    rope_forward<double>(y.m(), D, equal_positions(2, T, 7), view<double>(table, D));
    return testing::dot(y.data, dy.data);
  });
}

TEST(Rope, ProductsDependOnTheDistanceAlone) {
  const Index D = 20;
  Rng rng(9, "test");
  const Tensor<double> q = randn(rng, 1, D), k = randn(rng, 1, D);
  const std::vector<double> table = rope_table<double>(kPositions, D, kTheta);
  const auto product = [&](Index at_q, Index at_k) {
    Tensor<double> turned_q = q, turned_k = k;
    rope_forward<double>(turned_q.m(), D, equal_positions(1, 1, at_q), view<double>(table, D));
    rope_forward<double>(turned_k.m(), D, equal_positions(1, 1, at_k), view<double>(table, D));
    return testing::dot(turned_q.data, turned_k.data);
  };
  EXPECT_NEAR(product(9, 2), product(39, 32), 1e-13);
  EXPECT_GT(std::abs(product(9, 2) - product(9, 3)), 1e-3);
}

TEST(Rope, OtherColumnsStayAndBfloat16IsRoundedOnce) {
  const Index T = 6, D = 8, heads = 2;
  Rng rng(15, "test");
  Tensor<bfloat16> all = randn<bfloat16>(rng, T, 3 * heads * D);  // q, k and v side by side: v is not turned
  const Tensor<bfloat16> before = all;
  Tensor<float> wide(T, 2 * heads * D);
  wide.data = before.data.leftCols(2 * heads * D).cast<float>();
  const std::vector<float> table = rope_table<float>(kPositions, D, kTheta);
  rope_forward<bfloat16>(columns(all.m(), 0, 2 * heads * D), D, equal_positions(1, T), view<float>(table, D));
  rope_forward<float>(wide.m(), D, equal_positions(1, T), view<float>(table, D));
  EXPECT_EQ(all.data.rightCols(heads * D), before.data.rightCols(heads * D));
  EXPECT_EQ(all.data.leftCols(2 * heads * D), wide.data.cast<bfloat16>());
}

}  // namespace
}  // namespace kiln
