// One forward of the whole text; the logits are made a chunk of rows at a time.
#include "kiln/infer/inspect.h"

#include "kiln/core/error.h"
#include "kiln/infer/context.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kiln {
namespace {

/// The distribution that a row of logits stands for.
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

  /// The `count` likeliest. `order` is memory for V ids.
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

Inspection inspect(const LanguageModel<float>& model, const ParameterBuffer<float>& weights,
                   std::span<const TokenId> tokens, Index top) {
  check(top >= 1, "top is {}; it must be 1 or more", top);
  tokens = fit_context(tokens, model.config().n_ctx, model.vocab_size());
  const Index N = std::ssize(tokens);
  const auto lay_out = [&](Arena& arena) {
    return std::pair(model.trunk.lay_out(arena, 1, N, Keep::nothing), model.head.lay_out(arena, N));
  };
  Arena arena(bytes_of(lay_out));
  auto [activations, scratch] = lay_out(arena);
  model.trunk.forward(weights, tokens, StepContext{}, activations);

  Inspection inspection;
  std::vector<TokenId> order;
  const Index chunk = scratch.logits.rows();
  for (Index n = 0; n < N; ++n) {
    if (n % chunk == 0) {
      const Index count = std::min(chunk, N - n);
      model.head.logits(weights, rows(as_const(activations.hidden), n, count), rows(scratch.logits, 0, count));
    }
    const Distribution distribution(ConstVec<float>(row(scratch.logits, n % chunk), model.vocab_size()));
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
