// The iteration against loops in double, and what it does to singular values.
#include "kiln/optim/newton_schulz.h"

#include "kiln/core/rng.h"

#include <Eigen/SVD>
#include <gtest/gtest.h>

#include "optim/oracle.h"
#include <cstddef>
#include <vector>

namespace kiln {
namespace {

/// Room for a matrix (rows, cols) of normal entries.
struct Sample {
  Sample(Index rows, Index cols, double scale = 1.0) : arena(peak(rows, cols)), room(arena, rows, cols) {
    Rng rng(21, "test");
    for (Index i = 0; i < rows * cols; ++i) room.x.data()[i] = static_cast<float>(scale * rng.normal());
  }
  static std::size_t peak(Index rows, Index cols) {
    Arena arena = Arena::counting();
    NewtonSchulzRoom(arena, rows, cols);
    return arena.peak_bytes();
  }
  testing::Rows rows() const {
    testing::Rows rows;
    for (Index i = 0; i < room.x.rows(); ++i) rows.emplace_back(row(room.x, i), row(room.x, i) + room.x.cols());
    return rows;
  }

  Arena arena;
  NewtonSchulzRoom room;
};

TEST(NewtonSchulz, EqualsLoopsInDoubleForEveryShape) {
  const std::vector<std::pair<Index, Index>> shapes{{1, 1},  {1, 7},  {7, 1},   {5, 5},
                                                    {3, 11}, {11, 3}, {40, 96}, {96, 40}};
  for (const auto& [rows, cols] : shapes) {
    Sample sample(rows, cols, 0.01);
    const testing::Rows expected = testing::newton_schulz_oracle(sample.rows());
    const Mat<float> found = newton_schulz(sample.room);
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
  Sample sample(24, 64);
  const Eigen::VectorXf values = Eigen::JacobiSVD<RowMajor<float>>(newton_schulz(sample.room)).singularValues();
  EXPECT_GT(values.minCoeff(), 0.65f);
  EXPECT_LT(values.maxCoeff(), 1.25f);
}

TEST(NewtonSchulz, LeavesZerosAlone) {
  Sample sample(6, 4, 0.0);
  EXPECT_TRUE(newton_schulz(sample.room).isZero(0.0f));
}

}  // namespace
}  // namespace kiln
