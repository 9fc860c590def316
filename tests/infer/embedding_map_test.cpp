// Principal components against an exact solver and embeddings whose places are known; neighbours.
#include "kiln/infer/embedding_map.h"

#include <Eigen/Eigenvalues>
#include <gtest/gtest.h>

#include "infer/models.h"
#include "support/scratch.h"
#include <cmath>
#include <limits>

namespace kiln {
namespace {

using testing::expect_error;
using testing::RandomModel;
using testing::tiny_config;

constexpr Index kMapped = 50;

Mat<float> embedding(RandomModel& m) { return m.weights.mat(m.model.layout.find("wte.weight")); }

TEST(EmbeddingMap, AxesAreThoseOfTheExactSolver) {
  RandomModel m(tiny_config(), kMapped);
  Mat<float> x = embedding(m);
  x.col(3) *= 4;  // so that the axes are no matter of chance
  x.col(7) *= 3;
  const EmbeddingMap map = map_embeddings(m.view(), kMapped);
  const Eigen::MatrixXd centred = x.cast<double>().rowwise() - x.cast<double>().colwise().mean();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> exact(centred.transpose() * centred / kMapped);
  for (Index axis = 0; axis < 2; ++axis) {
    const Index at = x.cols() - 1 - axis;
    EXPECT_NEAR(map.variance[static_cast<std::size_t>(axis)], exact.eigenvalues()[at] / exact.eigenvalues().sum(),
                1e-5);
    Eigen::VectorXd direction = exact.eigenvectors().col(at);
    if (direction.maxCoeff() < -direction.minCoeff()) direction *= -1;
    EXPECT_LT((map.places.col(axis).cast<double>() - centred * direction).norm(), 1e-3 * centred.norm());
  }
}

TEST(EmbeddingMap, TokensOnAPlaneKeepTheirPlaces) {
  RandomModel m(tiny_config(), kMapped);
  Mat<float> x = embedding(m);
  x.setConstant(0.5f);  // the mean, which does not count
  for (Index t = 0; t < 20; ++t) {
    const double angle = 2 * M_PI * static_cast<double>(t) / 20;
    x(t, 4) += static_cast<float>(3 * std::cos(angle));
    x(t, 9) += static_cast<float>(2 * std::sin(angle));
  }
  const EmbeddingMap map = map_embeddings(m.view(), 20);
  ASSERT_EQ(map.places.rows(), 20);
  for (Index t = 0; t < 20; ++t) {
    EXPECT_NEAR(map.places(t, 0), x(t, 4) - 0.5, 1e-4);
    EXPECT_NEAR(map.places(t, 1), x(t, 9) - 0.5, 1e-4);
  }
  EXPECT_NEAR(map.variance[0], 9.0 / 13, 1e-5);
  EXPECT_NEAR(map.variance[1], 4.0 / 13, 1e-5);
}

TEST(EmbeddingMap, OneDimensionOrNoneIsMappedToo) {
  ModelConfig config = tiny_config();
  config.d_model = config.n_heads = 1;
  config.n_kv_heads = config.d_head = config.d_mlp = std::nullopt;
  config.resolve();
  RandomModel narrow(config, kMapped);
  const EmbeddingMap map = map_embeddings(narrow.view(), kMapped);
  EXPECT_NEAR(map.variance[0], 1, 1e-6);
  EXPECT_EQ(map.places.col(1).norm(), 0);
  narrow.weights.all().setZero();
  EXPECT_EQ(map_embeddings(narrow.view(), kMapped).places.norm(), 0);
}

TEST(EmbeddingMap, NeighboursPointTheSameWay) {
  RandomModel m(tiny_config(), kMapped);
  Mat<float> x = embedding(m);
  x.row(8) = 7 * x.row(30);
  x.row(9) = x.row(30) + 0.1f * x.row(11);
  const std::vector<Neighbour> near = nearest_tokens(m.view(), 30, 3, kMapped);
  ASSERT_EQ(near.size(), 3U);
  EXPECT_EQ(near[0].token, 8);
  EXPECT_NEAR(near[0].cosine, 1, 1e-6);
  EXPECT_EQ(near[1].token, 9);
  EXPECT_LT(near[1].cosine, near[0].cosine);
  EXPECT_EQ(nearest_tokens(m.view(), 30, 100, kMapped).size(), 49U);
}

TEST(EmbeddingMap, ReadsModelsInBfloat16) {
  RandomModel m(tiny_config(), kMapped);
  embedding(m).col(3) *= 4;
  embedding(m).col(7) *= 3;
  ModelWeights narrow(m.model.layout, Precision::bf16);
  narrow.masters().all() = m.weights.all();
  narrow.keep_only_what_is_read();
  const EmbeddingMap wide = map_embeddings(m.view(), kMapped), map = map_embeddings({m.model, narrow}, kMapped);
  EXPECT_LT((wide.places - map.places).norm(), 0.02 * wide.places.norm());
}

TEST(EmbeddingMap, RefusesNumbersThatAreNotFinite) {
  RandomModel m(tiny_config(), kMapped);
  embedding(m)(3, 3) = std::numeric_limits<float>::quiet_NaN();
  expect_error(ExitCode::diverged,
               "the model's embeddings are not finite: its weights hold NaN or are far too large; take an earlier "
               "checkpoint (--checkpoint STEP), or copy or download the model again",
               [&] { map_embeddings(m.view(), kMapped); });
}

}  // namespace
}  // namespace kiln
