// Sums the exponentials of logits relative to the greatest one.
#include "infer/distribution.h"

#include "kiln/infer/context.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kiln {

Distribution::Distribution(ConstVec<float> logits, double temperature)
    : logits_(logits), temperature_(temperature), max_(logits.maxCoeff()) {
  check_finite(logits_);
  double sum = 0;
  for (const float z : logits_) sum += std::exp(scaled(z));
  log_sum_ = std::log(sum);
}

double Distribution::probability(TokenId token) const { return std::exp(-loss(token)); }

TokenId Distribution::likeliest() const {
  return static_cast<TokenId>(std::max_element(logits_.begin(), logits_.end()) - logits_.begin());
}

Index Distribution::rank(TokenId token) const {
  Index rank = 1;
  for (Index other = 0; other < logits_.size(); ++other) {
    if (is_likelier(static_cast<TokenId>(other), token)) ++rank;
  }
  return rank;
}

std::vector<TokenProbability> Distribution::top(Index count, std::vector<TokenId>& order) const {
  order.resize(static_cast<std::size_t>(logits_.size()));
  std::iota(order.begin(), order.end(), TokenId{0});
  const auto end = order.begin() + std::min(count, std::ssize(order));
  std::partial_sort(order.begin(), end, order.end(), [this](TokenId a, TokenId b) { return is_likelier(a, b); });
  std::vector<TokenProbability> likeliest;
  likeliest.reserve(static_cast<std::size_t>(end - order.begin()));
  for (auto token = order.begin(); token != end; ++token) likeliest.push_back({*token, probability(*token)});
  return likeliest;
}

}  // namespace kiln
