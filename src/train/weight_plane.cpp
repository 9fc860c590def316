// Sums over weights go block by block, in double, and add the blocks in their order.
#include "kiln/train/weight_plane.h"

#include "kiln/core/rng.h"
#include "kiln/core/threads.h"

#include <Eigen/Eigenvalues>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace kiln {
namespace {

constexpr Index kBlock = 4096;
constexpr double kNoVariance = 1e-12;  // of a component, relative to the sum of all

/// Returns the sum of what `of_block(begin, count)` returns for the blocks of [0, extent).
template <class Sum, class OfBlock>
Sum sum_of_blocks(Index extent, const Sum& zero, const OfBlock& of_block) {
  const Index blocks = (extent + kBlock - 1) / kBlock;
  constexpr Index kBlocksAtOnce = 256;  // bounds the memory for their sums
  Sum sum = zero;
  std::vector<Sum> sums;
  for (Index first = 0; first < blocks; first += kBlocksAtOnce) {
    const Index count = std::min(kBlocksAtOnce, blocks - first);
    sums.assign(static_cast<std::size_t>(count), zero);
    parallel_for(count, 1, [&](Index begin, Index end) {
      for (Index b = begin; b < end; ++b) {
        const Index at = (first + b) * kBlock;
        sums[static_cast<std::size_t>(b)] = of_block(at, std::min(kBlock, extent - at));
      }
    });
    for (const Sum& part : sums) sum += part;
  }
  return sum;
}

Eigen::ArrayXd block_of(const ParameterBuffer<float>& buffer, Index begin, Index count) {
  return ConstVec<float>(buffer.data() + begin, count).cast<double>().array();
}

bool has_filters_in_rows(Role role) { return is_embedding(role) || role == Role::unembedding || role == Role::score; }

/// Returns the factors that give each column of `drawn` the norm of that column of `weights`.
Eigen::RowVectorXf column_scales(ConstMat<float> weights, ConstMat<float> drawn) {
  Eigen::RowVectorXd wanted = Eigen::RowVectorXd::Zero(weights.cols()), found = wanted;
  for (Index r = 0; r < weights.rows(); ++r) {
    wanted += weights.row(r).cast<double>().cwiseAbs2();
    found += drawn.row(r).cast<double>().cwiseAbs2();
  }
  return (wanted.array() / found.array().max(1e-300)).sqrt().cast<float>();
}

/// Returns the smallest solution of products x = right, as far as there is one.   products (2, 2) symmetric.
Eigen::Vector2d least_squares(const Eigen::Matrix2d& products, const Eigen::Vector2d& right) {
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix2d> solver(products);
  Eigen::Vector2d solution = Eigen::Vector2d::Zero();
  for (Index k = 0; k < 2; ++k) {
    const double size = solver.eigenvalues()[k];
    if (size <= kNoVariance * solver.eigenvalues()[1]) continue;
    const Eigen::Vector2d axis = solver.eigenvectors().col(k);
    solution += axis * (axis.dot(right) / size);
  }
  return solution;
}

/// Returns the inner products of the points' differences from the first one.
Eigen::MatrixXd gram_matrix(std::span<const ParameterBuffer<float>* const> points) {
  const Index n = std::ssize(points);
  return sum_of_blocks<Eigen::MatrixXd>(
      points[0]->layout().extent(), Eigen::MatrixXd::Zero(n, n), [&](Index begin, Index count) -> Eigen::MatrixXd {
        RowMajor<double> block(n, count);
        for (Index i = 0; i < n; ++i) {
          block.row(i) = block_of(*points[static_cast<std::size_t>(i)], begin, count).transpose();
        }
        for (Index i = n - 1; i >= 0; --i) block.row(i) -= block.row(0);
        return block * block.transpose();
      });
}

/// Writes sum_i coefficients[i] (points[i] - points[0]).
void write_combination(std::span<const ParameterBuffer<float>* const> points, const Eigen::VectorXd& coefficients,
                       ParameterBuffer<float>& sum) {
  const Index extent = sum.layout().extent(), blocks = (extent + kBlock - 1) / kBlock;
  parallel_for(blocks, 1, [&](Index first, Index end) {
    for (Index begin = first * kBlock; begin < std::min(extent, end * kBlock); begin += kBlock) {
      const Index count = std::min(kBlock, extent - begin);
      const Eigen::ArrayXd zero = block_of(*points[0], begin, count);
      Eigen::ArrayXd block = Eigen::ArrayXd::Zero(count);
      for (std::size_t i = 1; i < points.size(); ++i) {
        block += coefficients[static_cast<Index>(i)] * (block_of(*points[i], begin, count) - zero);
      }
      Vec<float>(sum.data() + begin, count) = block.matrix().cast<float>();
    }
  });
}

}  // namespace

void WeightPlane::write_point(double alpha, double beta, ParameterBuffer<float>& weights) const {
  const auto a = static_cast<float>(alpha), b = static_cast<float>(beta);
  parallel_for(weights.layout().extent(), kBlock, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      weights.data()[i] = origin.data()[i] + a * first.data()[i] + b * second.data()[i];
  });
}

PlanePlace project(const WeightPlane& plane, const ParameterBuffer<float>& weights) {
  const Index extent = weights.layout().extent();
  using Sums = Eigen::Array<double, 6, 1>;
  const Sums sums = sum_of_blocks<Sums>(extent, Sums::Zero(), [&](Index begin, Index count) {
    const Eigen::ArrayXd first = block_of(plane.first, begin, count), second = block_of(plane.second, begin, count);
    const Eigen::ArrayXd from_origin = block_of(weights, begin, count) - block_of(plane.origin, begin, count);
    Sums block;
    block << (first * first).sum(), (first * second).sum(), (second * second).sum(), (first * from_origin).sum(),
        (second * from_origin).sum(), from_origin.square().sum();
    return block;
  });
  Eigen::Matrix2d products;
  products << sums[0], sums[1], sums[1], sums[2];
  const Eigen::Vector2d place = least_squares(products, {sums[3], sums[4]});
  const double off = sum_of_blocks<double>(extent, 0.0, [&](Index begin, Index count) {
    return (block_of(weights, begin, count) - block_of(plane.origin, begin, count) -
            place[0] * block_of(plane.first, begin, count) - place[1] * block_of(plane.second, begin, count))
        .square()
        .sum();
  });
  return {.alpha = place[0], .beta = place[1], .distance = std::sqrt(off), .length = std::sqrt(sums[5])};
}

void draw_direction(const ParameterBuffer<float>& weights, const Parameter& parameter, std::uint64_t seed,
                    std::string_view stream, ParameterBuffer<float>& direction) {
  Mat<float> drawn = direction.mat(parameter.id);
  const ConstMat<float> own = weights.mat(parameter.id);
  if (parameter.is_vector()) {
    drawn.setZero();
    return;
  }
  constexpr Index kGrain = 16, kWords = 4;  // rows of a share; words of a normal number
  const bool in_rows = has_filters_in_rows(parameter.role);
  parallel_for(drawn.rows(), kGrain, [&](Index begin, Index end) {
    Rng rng(seed, fmt::format("weight plane/{}/{}", stream, parameter.name));
    rng.set_position(static_cast<std::uint64_t>(kWords * begin * drawn.cols()));
    for (Index r = begin; r < end; ++r) {
      for (Index c = 0; c < drawn.cols(); ++c) drawn(r, c) = static_cast<float>(rng.normal());
      if (!in_rows) continue;
      const double wanted = own.row(r).cast<double>().norm(), found = drawn.row(r).cast<double>().norm();
      drawn.row(r) *= static_cast<float>(wanted / std::max(found, 1e-300));
    }
  });
  if (in_rows) return;
  const Eigen::RowVectorXf scales = column_scales(own, as_const(drawn));
  for (Index r = 0; r < drawn.rows(); ++r) drawn.row(r).array() *= scales.array();
}

std::array<double, 2> principal_directions(std::span<const ParameterBuffer<float>* const> points,
                                           ParameterBuffer<float>& first, ParameterBuffer<float>& second) {
  const Index n = std::ssize(points);
  Eigen::MatrixXd centred = gram_matrix(points);
  centred.rowwise() -= centred.colwise().mean().eval();
  centred.colwise() -= centred.rowwise().mean().eval();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(centred);  // ascending
  const double all = centred.trace();
  std::array<double, 2> shares{};
  ParameterBuffer<float>* const directions[] = {&first, &second};
  for (Index k = 0; k < 2; ++k) {
    const double variance = k < n ? solver.eigenvalues()[n - 1 - k] : 0;
    Eigen::VectorXd coefficients = Eigen::VectorXd::Zero(n);
    if (variance > kNoVariance * all) {
      coefficients = solver.eigenvectors().col(n - 1 - k) / std::sqrt(variance);
      if (coefficients[0] > coefficients[n - 1]) coefficients *= -1;
      shares[static_cast<std::size_t>(k)] = variance / all;
    }
    write_combination(points, coefficients, *directions[k]);
  }
  return shares;
}

}  // namespace kiln
