// Finds the principal components by subspace iteration, which needs the covariance's products alone.
#include "kiln/infer/embedding_map.h"

#include "kiln/core/rng.h"
#include "kiln/infer/context.h"
#include "kiln/kernels/matmul.h"
#include "kiln/tensor/convert.h"

#include <Eigen/Eigenvalues>
#include <Eigen/QR>

#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

constexpr Index kSubspace = 12;  // more than the two that are kept: those then converge sooner
constexpr int kMostIterations = 500;
constexpr double kConverged = 1e-11;  // relative change of the two variances

template <class T>
ConstMat<T> embedding(const ModelView& model, Index tokens) {
  const ParameterBuffer<T>& weights = model.weights.as<T>();
  return rows(weights.mat(weights.layout().find(ParameterKey{Module::wte})), 0, tokens);
}

/// Returns the covariance (C, C) of the rows of x about their mean.
template <class T>
Eigen::MatrixXd covariance(ConstMat<T> x, const Eigen::VectorXd& mean) {
  RowMajor<Acc<T>> sums(x.cols(), x.cols());
  matmul_tn<T, Acc<T>>(x, x, mat(sums.data(), sums.rows(), sums.cols()), Write::overwrite);
  return sums.template cast<double>() / static_cast<double>(x.rows()) - mean * mean.transpose();
}

struct Axes {
  Eigen::MatrixXd directions;  // (C, at most 2), orthonormal
  Eigen::VectorXd variances;
};

/// Returns the eigenvectors of the largest eigenvalues, two if there are as many.
Axes principal_axes(const Eigen::MatrixXd& covariance) {
  const Index C = covariance.rows(), k = std::min(C, kSubspace), kept = std::min<Index>(C, 2);
  Rng rng(1, "principal axes");
  Eigen::MatrixXd basis = Eigen::MatrixXd::NullaryExpr(C, k, [&] { return rng.normal(); });
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> within;
  Eigen::VectorXd before = Eigen::VectorXd::Zero(kept);
  for (int i = 0; i < kMostIterations; ++i) {
    const Eigen::HouseholderQR<Eigen::MatrixXd> qr(basis);
    const Eigen::MatrixXd orthonormal = qr.householderQ() * Eigen::MatrixXd::Identity(C, k);
    const Eigen::MatrixXd image = covariance * orthonormal;
    within.compute(orthonormal.transpose() * image);  // ascending
    const Eigen::VectorXd variances = within.eigenvalues().tail(kept);
    const bool has_converged = (variances - before).cwiseAbs().maxCoeff() <= kConverged * variances.maxCoeff();
    if (has_converged || i + 1 == kMostIterations) {
      return {orthonormal * within.eigenvectors().rightCols(kept).rowwise().reverse(), variances.reverse()};
    }
    before = variances;
    basis = image;
  }
  return {};
}

/// Calls visit(first, block) with all rows of x, some at a time, in double.
template <class T, class Visit>
void for_each_block(ConstMat<T> x, const Visit& visit) {
  constexpr Index kBlock = 1024;
  RowMajor<double> block;
  for (Index first = 0; first < x.rows(); first += kBlock) {
    const Index count = std::min(kBlock, x.rows() - first);
    block = rows(x, first, count).template cast<Acc<T>>().template cast<double>();
    visit(first, block);
  }
}

template <class T>
EmbeddingMap map_of(ConstMat<T> x) {
  Eigen::VectorXd mean = Eigen::VectorXd::Zero(x.cols());
  for_each_block(x, [&](Index, const RowMajor<double>& block) { mean += block.colwise().sum().transpose(); });
  if (!mean.allFinite()) fail_diverged("the model's embeddings are not finite");
  mean /= static_cast<double>(x.rows());
  const Eigen::MatrixXd scatter = covariance<T>(x, mean);
  Axes axes = principal_axes(scatter);
  EmbeddingMap map{.places = RowMajor<float>::Zero(x.rows(), 2), .variance = {}};
  for (Index axis = 0; axis < axes.directions.cols(); ++axis) {
    auto direction = axes.directions.col(axis);
    Index largest = 0;
    direction.cwiseAbs().maxCoeff(&largest);
    if (direction[largest] < 0) direction *= -1;
    if (scatter.trace() > 0) map.variance[static_cast<std::size_t>(axis)] = axes.variances[axis] / scatter.trace();
  }
  for_each_block(x, [&](Index first, const RowMajor<double>& block) {
    map.places.block(first, 0, block.rows(), axes.directions.cols()) =
        ((block.rowwise() - mean.transpose()) * axes.directions).template cast<float>();
  });
  return map;
}

template <class T>
std::vector<Neighbour> neighbours_of(ConstMat<T> x, TokenId token, Index count) {
  const auto row_of = [&](Index t) -> Eigen::RowVectorXd {
    return x.row(t).template cast<Acc<T>>().template cast<double>();
  };
  const Eigen::RowVectorXd own = row_of(token).normalized();
  std::vector<Neighbour> neighbours;
  for (Index other = 0; other < x.rows(); ++other) {
    if (other == token) continue;
    neighbours.push_back({static_cast<TokenId>(other), own.dot(row_of(other).normalized())});
  }
  const auto end = neighbours.begin() + std::min(count, std::ssize(neighbours));
  std::partial_sort(neighbours.begin(), end, neighbours.end(), [](const Neighbour& a, const Neighbour& b) {
    return a.cosine > b.cosine || (a.cosine == b.cosine && a.token < b.token);
  });
  neighbours.erase(end, neighbours.end());
  return neighbours;
}

}  // namespace

EmbeddingMap map_embeddings(const ModelView& model, Index tokens) {
  return with_precision(model.precision, [&]<class T>() { return map_of<T>(embedding<T>(model, tokens)); });
}

std::vector<Neighbour> nearest_tokens(const ModelView& model, TokenId token, Index count, Index tokens) {
  return with_precision(model.precision,
                        [&]<class T>() { return neighbours_of<T>(embedding<T>(model, tokens), token, count); });
}

}  // namespace kiln
