// Runs one forward of the whole text, and computes the logits in chunks of rows.
#include "kiln/infer/inspect.h"

#include "kiln/core/error.h"
#include "kiln/infer/context.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kiln {
namespace {

constexpr Index kChunkRows = 64;  // of logits at a time

/// The distribution given by a row of logits.
class Distribution {
 public:
  explicit Distribution(ConstVec<float> logits) : logits_(logits), max_(logits.maxCoeff()) {
    check_finite(logits_);
    double sum = 0;
    for (const float z : logits_) sum += std::exp(static_cast<double>(z - max_));
    log_sum_ = std::log(sum);
  }

  double loss(TokenId token) const { return log_sum_ - static_cast<double>(logits_[token] - max_); }
  double probability(TokenId token) const { return std::exp(-loss(token)); }
  bool is_likelier(TokenId a, TokenId b) const {
    return logits_[a] > logits_[b] || (logits_[a] == logits_[b] && a < b);
  }

  Index rank(TokenId token) const {
    Index rank = 1;
    for (Index other = 0; other < logits_.size(); ++other) {
      if (is_likelier(static_cast<TokenId>(other), token)) ++rank;
    }
    return rank;
  }

  /// Returns the `count` likeliest tokens. Uses `order` as memory for V ids.
  std::vector<TokenProbability> top(Index count, std::vector<TokenId>& order) const {
    order.resize(static_cast<std::size_t>(logits_.size()));
    std::iota(order.begin(), order.end(), TokenId{0});
    const auto end = order.begin() + std::min(count, std::ssize(order));
    std::partial_sort(order.begin(), end, order.end(), [this](TokenId a, TokenId b) { return is_likelier(a, b); });
    std::vector<TokenProbability> likeliest;
    likeliest.reserve(static_cast<std::size_t>(end - order.begin()));
    for (auto token = order.begin(); token != end; ++token) likeliest.push_back({*token, probability(*token)});
    return likeliest;
  }

 private:
  ConstVec<float> logits_;
  float max_;
  double log_sum_;
};

}  // namespace

Inspection inspect(const ModelView& model, std::span<const TokenId> tokens, Index top) {
  check(top >= 1, "top is {}; it must be 1 or more", top);
  tokens = fit_context(tokens, model.config.n_ctx, model.vocab_size);
  const Index N = std::ssize(tokens), chunk = std::min(N, kChunkRows);
  const std::unique_ptr<Runner<float>> runner = model.make_runner({.rows = N});
  TokenRows input;
  input.append(tokens);
  runner->forward(model.weights, input);

  Inspection inspection;
  RowMajor<float> logits(chunk, model.vocab_size);
  std::vector<Index> scored;
  std::vector<TokenId> order;
  for (Index n = 0; n < N; ++n) {
    if (n % chunk == 0) {
      scored.resize(static_cast<std::size_t>(std::min(chunk, N - n)));
      std::iota(scored.begin(), scored.end(), n);
      runner->logits(scored, mat(logits.data(), std::ssize(scored), model.vocab_size));
    }
    const Distribution distribution(ConstVec<float>(logits.data() + n % chunk * model.vocab_size, model.vocab_size));
    if (n + 1 == N) {
      inspection.next = distribution.top(top, order);
      break;
    }
    const TokenId token = tokens[static_cast<std::size_t>(n + 1)];
    inspection.predictions.push_back({token, distribution.probability(token), distribution.loss(token),
                                      distribution.rank(token), distribution.top(top, order)});
  }
  return inspection;
}

}  // namespace kiln
