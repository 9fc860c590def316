// The iteration against loops in double, and what it does to singular values.
#include "optim/newton_schulz.h"

#include "kiln/core/rng.h"
#include "kiln/tensor/convert.h"

#include <Eigen/SVD>
#include <gtest/gtest.h>

#include "optim/oracle.h"
#include <cstddef>
#include <vector>

namespace kiln {
namespace {

/// Room for a matrix (rows, cols) of normal entries.
template <class T>
struct Sample {
  Sample(Index rows, Index cols, double scale = 1.0) : arena(peak(rows, cols)), workspace(arena, rows, cols) {
    Rng rng(21, "test");
    for (Index i = 0; i < rows * cols; ++i) workspace.x.data()[i] = narrow<T>(static_cast<float>(scale * rng.normal()));
  }
  static std::size_t peak(Index rows, Index cols) {
    Arena arena = Arena::counting();
    NewtonSchulzWorkspace<T>(arena, rows, cols);
    return arena.peak_bytes();
  }
  testing::Rows rows() const {
    testing::Rows rows;
    for (Index i = 0; i < workspace.x.rows(); ++i) {
      rows.emplace_back();
      for (Index j = 0; j < workspace.x.cols(); ++j) rows.back().push_back(widen(workspace.x(i, j)));
    }
    return rows;
  }

  Arena arena;
  NewtonSchulzWorkspace<T> workspace;
};

TEST(NewtonSchulz, EqualsLoopsInDoubleForEveryShape) {
  const std::vector<std::pair<Index, Index>> shapes{{1, 1},  {1, 7},  {7, 1},   {5, 5},
                                                    {3, 11}, {11, 3}, {40, 96}, {96, 40}};
  for (const auto& [rows, cols] : shapes) {
    Sample<float> sample(rows, cols, 0.01);
    const testing::Rows expected = testing::newton_schulz_oracle(sample.rows());
    const Mat<float> found = newton_schulz(sample.workspace);
    ASSERT_EQ(found.rows(), rows);
    ASSERT_EQ(found.cols(), cols);
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        const double want = expected[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
        EXPECT_NEAR(found(i, j), want, 1e-5) << rows << " x " << cols << " at " << i << ", " << j;
      }
    }
  }
}

TEST(NewtonSchulz, PullsSingularValuesTowardsOne) {
  Sample<float> sample(24, 64);
  const Eigen::VectorXf values = Eigen::JacobiSVD<RowMajor<float>>(newton_schulz(sample.workspace)).singularValues();
  EXPECT_GT(values.minCoeff(), 0.65f);
  EXPECT_LT(values.maxCoeff(), 1.25f);
}

// A step rounds to 8 bits some three times, and the five steps stretch what small singular values there are by up to
// 3.4^5: the matrix is not the oracle's to many digits, but points where it points, and is as nearly orthogonal.
TEST(NewtonSchulz, InBfloat16PointsTheSameWay) {
  for (const auto& [rows, cols] : std::vector<std::pair<Index, Index>>{{24, 64}, {64, 24}, {48, 48}}) {
    Sample<bfloat16> sample(rows, cols, 0.01);
    const testing::Rows expected = testing::newton_schulz_oracle(sample.rows());
    const Mat<bfloat16> found = newton_schulz(sample.workspace);
    RowMajor<float> wide(rows, cols), exact(rows, cols);
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        wide(i, j) = widen(found(i, j));
        exact(i, j) = static_cast<float>(expected[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)]);
      }
    }
    EXPECT_LT((wide - exact).norm() / exact.norm(), 0.05f) << rows << " x " << cols;
    EXPECT_LT(Eigen::JacobiSVD<RowMajor<float>>(wide).singularValues().maxCoeff(), 1.3f) << rows << " x " << cols;
  }
}

TEST(NewtonSchulz, LeavesZerosAlone) {
  Sample<float> sample(6, 4, 0.0);
  EXPECT_TRUE(newton_schulz(sample.workspace).isZero(0.0f));
}

}  // namespace
}  // namespace kiln
