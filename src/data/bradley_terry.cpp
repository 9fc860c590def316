// Fits each league by itself: its players reach each other through contests.
#include "data/bradley_terry.h"

#include "kiln/core/intervals.h"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

namespace kiln {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// Returns log sigmoid(x) without overflow.
double log_sigmoid(double x) { return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x))); }

/// Marks what can be reached from `from` over pairs with leads(i, j).
template <class Leads>
std::vector<bool> reached(std::size_t from, std::size_t players, Leads&& leads) {
  std::vector<bool> seen(players);
  std::vector<std::size_t> open{from};
  seen[from] = true;
  while (!open.empty()) {
    const std::size_t at = open.back();
    open.pop_back();
    for (std::size_t next = 0; next < players; ++next) {
      if (seen[next] || !leads(at, next)) continue;
      seen[next] = true;
      open.push_back(next);
    }
  }
  return seen;
}

/// The wins of some players over each other: wins(i, j) of i over j.
class League {
 public:
  explicit League(Matrix wins) : wins_(std::move(wins)), strengths_(Vector::Zero(wins_.rows())) {}

  /// True if every set of players has won against the others: only then is the likelihood's maximum finite.
  bool is_connected() const {
    const auto players = static_cast<std::size_t>(wins_.rows());
    const auto beats = [&](std::size_t i, std::size_t j) {
      return wins_(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) > 0;
    };
    const auto loses = [&](std::size_t i, std::size_t j) { return beats(j, i); };
    const auto all = [](const std::vector<bool>& seen) { return std::ranges::find(seen, false) == seen.end(); };
    return all(reached(0, players, beats)) && all(reached(0, players, loses));
  }

  void add_half_wins() {
    const Matrix met = wins_ + wins_.transpose();
    for (Eigen::Index i = 0; i < met.rows(); ++i) {
      for (Eigen::Index j = 0; j < met.cols(); ++j) wins_(i, j) += met(i, j) > 0 ? 0.5 : 0;
    }
  }

  void fit() {
    constexpr int kMostSteps = 100;
    constexpr double kSmall = 1e-12;
    for (int step = 0; step < kMostSteps; ++step) {
      const Vector move = inverse_information() * gradient();
      const double before = log_likelihood(strengths_);
      double size = 1;
      while (size > kSmall && log_likelihood(strengths_ + size * move) < before) size /= 2;
      strengths_ += size * move;
      if (size * move.cwiseAbs().maxCoeff() < kSmall) return;
    }
  }

  const Vector& strengths() const { return strengths_; }

  /// The pseudo-inverse of the information, whose null space is a common shift of all strengths.
  Matrix inverse_information() const {
    const Eigen::Index n = wins_.rows();
    Matrix information = Matrix::Zero(n, n);
    for (Eigen::Index i = 0; i < n; ++i) {
      for (Eigen::Index j = 0; j < n; ++j) {
        if (i == j) continue;
        const double p = sigmoid(strengths_(i) - strengths_(j));
        const double weight = (wins_(i, j) + wins_(j, i)) * p * (1 - p);
        information(i, i) += weight;
        information(i, j) -= weight;
      }
    }
    const Matrix shift = Matrix::Constant(n, n, 1 / static_cast<double>(n));
    return (information + shift).inverse() - shift;
  }

 private:
  double log_likelihood(const Vector& strengths) const {
    double sum = 0;
    for (Eigen::Index i = 0; i < wins_.rows(); ++i) {
      for (Eigen::Index j = 0; j < wins_.cols(); ++j) {
        if (wins_(i, j) > 0) sum += wins_(i, j) * log_sigmoid(strengths(i) - strengths(j));
      }
    }
    return sum;
  }

  Vector gradient() const {
    Vector sums = Vector::Zero(wins_.rows());
    for (Eigen::Index i = 0; i < wins_.rows(); ++i) {
      for (Eigen::Index j = 0; j < wins_.cols(); ++j) {
        if (i == j) continue;
        const double met = wins_(i, j) + wins_(j, i);
        sums(i) += wins_(i, j) - met * sigmoid(strengths_(i) - strengths_(j));
      }
    }
    return sums;
  }

  Matrix wins_;
  Vector strengths_;
};

/// Returns the covariance of the strengths of a fitted league. place[p] is player p's place in it.
Matrix covariance(const League& league, std::span<const Contest> contests, const std::vector<Eigen::Index>& place) {
  const Matrix inverse = league.inverse_information();
  const Eigen::Index n = inverse.rows();
  std::map<std::size_t, Vector> scores;  // the gradient of each group's log-likelihood
  for (const Contest& contest : contests) {
    const Eigen::Index i = place[contest.better], j = place[contest.worse];
    if (i < 0) continue;
    Vector& score = scores.try_emplace(contest.group, Vector::Zero(n)).first->second;
    const double excess = (contest.is_tie ? 0.5 : 1.0) - sigmoid(league.strengths()(i) - league.strengths()(j));
    score(i) += excess;
    score(j) -= excess;
  }
  if (scores.size() < 2) return inverse;
  Matrix spread = Matrix::Zero(n, n);
  for (const auto& [group, score] : scores) spread += score * score.transpose();
  const auto groups = static_cast<double>(scores.size());
  return groups / (groups - 1) * inverse * spread * inverse;
}

}  // namespace

BradleyTerryFit fit_bradley_terry(std::size_t players, std::span<const Contest> contests) {
  const auto count = static_cast<Eigen::Index>(players);
  Matrix wins = Matrix::Zero(count, count);
  for (const Contest& contest : contests) {
    const auto i = static_cast<Eigen::Index>(contest.better), j = static_cast<Eigen::Index>(contest.worse);
    wins(i, j) += contest.is_tie ? 0.5 : 1;
    if (contest.is_tie) wins(j, i) += 0.5;
  }
  const auto met = [&](std::size_t i, std::size_t j) {
    const auto a = static_cast<Eigen::Index>(i), b = static_cast<Eigen::Index>(j);
    return wins(a, b) + wins(b, a) > 0;
  };
  BradleyTerryFit fit{.players = std::vector<Strength>(players)};
  std::vector<bool> done(players);
  for (std::size_t first = 0, number = 0; first < players; ++first) {
    if (done[first]) continue;
    const std::vector<bool> is_member = reached(first, players, met);
    std::vector<Eigen::Index> place(players, -1), members;
    for (std::size_t p = 0; p < players; ++p) {
      if (!is_member[p]) continue;
      done[p] = true;
      place[p] = std::ssize(members);
      members.push_back(static_cast<Eigen::Index>(p));
    }
    League league(wins(members, members));
    const bool is_alone = members.size() == 1;
    if (!is_alone && !league.is_connected()) {
      league.add_half_wins();
      fit.has_added_wins = true;
    }
    if (!is_alone) league.fit();
    const Matrix errors = is_alone ? Matrix::Constant(1, 1, std::numeric_limits<double>::infinity())
                                   : covariance(league, contests, place);
    for (const Eigen::Index p : members) {
      const Eigen::Index at = place[static_cast<std::size_t>(p)];
      const double value = league.strengths()(at), half = kNormalQuantile * std::sqrt(std::max(0.0, errors(at, at)));
      fit.players[static_cast<std::size_t>(p)] = {
          .value = value, .low = value - half, .high = value + half, .league = number};
    }
    ++number;
  }
  return fit;
}

}  // namespace kiln
