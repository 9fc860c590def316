// Planes through weight space against naive sums in double and Eigen's SVD.
#include "kiln/train/weight_plane.h"

#include "kiln/core/rng.h"

#include <Eigen/SVD>
#include <gtest/gtest.h>

#include "infer/models.h"
#include <cmath>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

namespace kiln {
namespace {

using testing::RandomModel;

ModelConfig plane_config() {
  ModelConfig config = testing::tiny_config();
  config.tie_embeddings = false;
  return config;
}

struct WeightPlaneTest : ::testing::Test {
  /// Returns a whole random direction.
  ParameterBuffer<float> drawn(const std::string& stream, std::uint64_t seed = 3) const {
    ParameterBuffer<float> direction(m.model.layout);
    direction.all().setOnes();
    for (const Parameter& p : m.model.layout.parameters()) draw_direction(m.weights, p, seed, stream, direction);
    return direction;
  }

  /// Returns random weights of this size.
  ParameterBuffer<float> noise(std::uint64_t seed, double size) const {
    ParameterBuffer<float> buffer(m.model.layout);
    Rng rng(seed, "noise");
    for (const Parameter& p : m.model.layout.parameters()) {
      for (float& w : buffer.vec(p.id)) w = static_cast<float>(size * rng.normal());
    }
    return buffer;
  }

  RandomModel m{plane_config()};
};

Eigen::VectorXd as_double(const ParameterBuffer<float>& buffer) { return buffer.all().cast<double>(); }

TEST_F(WeightPlaneTest, EveryFilterOfADirectionHasTheNormOfTheWeights) {
  const ParameterBuffer<float> direction = drawn("first");
  const ParameterBuffer<float>& weights = m.weights;
  for (const Parameter& p : m.model.layout.parameters()) {
    const ConstMat<float> own = weights.mat(p.id), got = direction.mat(p.id);
    if (p.is_vector()) {
      EXPECT_TRUE((got.array() == 0).all()) << p.name;
      continue;
    }
    const bool in_rows = p.name == "wte.weight" || p.name == "wpe.weight" || p.name == "lm_head.weight";
    for (Index i = 0; i < (in_rows ? p.rows : p.cols); ++i) {
      const double wanted = in_rows ? own.row(i).cast<double>().norm() : own.col(i).cast<double>().norm();
      const double found = in_rows ? got.row(i).cast<double>().norm() : got.col(i).cast<double>().norm();
      ASSERT_NEAR(found, wanted, 1e-5 * wanted) << p.name << " filter " << i;
    }
  }
}

TEST_F(WeightPlaneTest, DirectionsAreFunctionsOfSeedAndStream) {
  const ParameterBuffer<float> once = drawn("first"), again = drawn("first");
  EXPECT_EQ(std::memcmp(once.data(), again.data(), static_cast<std::size_t>(once.layout().extent()) * sizeof(float)),
            0);
  const auto cosine_to = [&](const ParameterBuffer<float>& other) {
    return as_double(once).normalized().dot(as_double(other).normalized());
  };
  EXPECT_LT(std::abs(cosine_to(drawn("second"))), 0.1);
  EXPECT_LT(std::abs(cosine_to(drawn("first", 4))), 0.1);
}

TEST_F(WeightPlaneTest, ThePointAtZeroIsTheOrigin) {
  const ParameterBuffer<float> first = drawn("first"), second = drawn("second");
  const WeightPlane plane{m.weights, first, second};
  ParameterBuffer<float> point(m.model.layout);
  plane.write_point(0, 0, point);
  EXPECT_EQ(
      std::memcmp(point.data(), m.weights.data(), static_cast<std::size_t>(point.layout().extent()) * sizeof(float)),
      0);
  plane.write_point(0.5, -0.25, point);
  const Eigen::VectorXd wanted = as_double(m.weights) + 0.5 * as_double(first) - 0.25 * as_double(second);
  EXPECT_LT((as_double(point) - wanted).cwiseAbs().maxCoeff(), 1e-5);
}

TEST_F(WeightPlaneTest, APointOfThePlaneProjectsToItsCoordinates) {
  const ParameterBuffer<float> first = drawn("first");
  ParameterBuffer<float> second = drawn("second");
  second.all() += 0.7F * first.all();  // far from orthogonal
  const WeightPlane plane{m.weights, first, second};
  ParameterBuffer<float> point(m.model.layout);
  plane.write_point(0.3, -0.8, point);
  const PlanePlace place = project(plane, point);
  EXPECT_NEAR(place.alpha, 0.3, 1e-5);
  EXPECT_NEAR(place.beta, -0.8, 1e-5);
  EXPECT_LT(place.distance, 1e-5 * place.length);
  EXPECT_NEAR(place.length, (as_double(point) - as_double(m.weights)).norm(), 1e-6 * place.length);
}

TEST_F(WeightPlaneTest, AProjectionIsTheLeastSquaresSolution) {
  const ParameterBuffer<float> first = drawn("first"), second = drawn("second"), other = noise(9, 0.5);
  const PlanePlace place = project({m.weights, first, second}, other);
  Eigen::MatrixXd directions(m.model.layout.extent(), 2);
  directions << as_double(first), as_double(second);
  const Eigen::VectorXd away = as_double(other) - as_double(m.weights);
  const Eigen::Vector2d wanted = directions.jacobiSvd(Eigen::ComputeThinU | Eigen::ComputeThinV).solve(away);
  EXPECT_NEAR(place.alpha, wanted[0], 1e-9);
  EXPECT_NEAR(place.beta, wanted[1], 1e-9);
  EXPECT_NEAR(place.distance, (away - directions * wanted).norm(), 1e-8 * away.norm());
}

TEST_F(WeightPlaneTest, PrincipalDirectionsAreThoseOfTheSvd) {
  std::deque<ParameterBuffer<float>> states;  // a path that bends, with noise
  for (int i = 0; i < 6; ++i) {
    states.push_back(noise(20 + static_cast<std::uint64_t>(i), 0.02));
    const float t = 0.2F * static_cast<float>(i);
    states.back().all() += m.weights.all() + t * noise(1, 1).all() + t * t * noise(2, 0.6).all();
  }
  std::vector<const ParameterBuffer<float>*> points;
  Eigen::MatrixXd rows(6, m.model.layout.extent());
  for (const ParameterBuffer<float>& state : states) {
    rows.row(std::ssize(points)) = as_double(state).transpose();
    points.push_back(&state);
  }
  ParameterBuffer<float> first(m.model.layout), second(m.model.layout);
  const std::array<double, 2> shares = principal_directions(points, first, second);
  rows.rowwise() -= rows.colwise().mean().eval();
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(rows.transpose(), Eigen::ComputeThinU | Eigen::ComputeThinV);
  const double all = svd.singularValues().squaredNorm();
  const ParameterBuffer<float>* const found[] = {&first, &second};
  for (Index k = 0; k < 2; ++k) {
    EXPECT_NEAR(std::abs(as_double(*found[k]).dot(svd.matrixU().col(k))), 1, 1e-5) << k;
    EXPECT_NEAR(as_double(*found[k]).norm(), 1, 1e-5) << k;
    const double variance = svd.singularValues()[k] * svd.singularValues()[k];
    EXPECT_NEAR(shares[static_cast<std::size_t>(k)], variance / all, 1e-6) << k;
  }
  const WeightPlane plane{states.back(), first, second};
  EXPECT_LT(project(plane, states.front()).alpha, 0) << "the run goes to the right";
}

TEST_F(WeightPlaneTest, PointsOnALineHaveOneDirection) {
  std::deque<ParameterBuffer<float>> states;
  std::vector<const ParameterBuffer<float>*> points;
  const ParameterBuffer<float> way = noise(1, 1);
  for (int i = 0; i < 3; ++i) {
    states.emplace_back(m.model.layout);
    states.back().all() = static_cast<float>(i) * way.all();
    points.push_back(&states.back());
  }
  ParameterBuffer<float> first(m.model.layout), second(m.model.layout);
  const std::array<double, 2> shares = principal_directions(points, first, second);
  EXPECT_NEAR(shares[0], 1, 1e-9);
  EXPECT_EQ(shares[1], 0);
  EXPECT_TRUE((second.all().array() == 0).all());
  const PlanePlace place = project({states.back(), first, second}, states.front());
  EXPECT_NEAR(place.alpha, -2 * as_double(way).norm(), 1e-3);
  EXPECT_NEAR(place.beta, 0, 1e-12);
}

}  // namespace
}  // namespace kiln
