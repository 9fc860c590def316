// Reads probabilities from a row of logits.
#pragma once

#include "kiln/infer/inspect.h"
#include "kiln/tensor/view.h"
#include "kiln/text/token.h"

#include <vector>

namespace kiln {

/// The distribution over the next token that a row of logits gives at a temperature. Refers to the logits.
class Distribution {
 public:
  /// Throws Error (diverged) if a logit is not finite.
  explicit Distribution(ConstVec<float> logits, double temperature = 1);

  double loss(TokenId token) const { return log_sum_ - scaled(logits_[token]); }
  double probability(TokenId token) const;
  bool is_likelier(TokenId a, TokenId b) const {
    return logits_[a] > logits_[b] || (logits_[a] == logits_[b] && a < b);
  }

  /// Returns the token of rank 1.
  TokenId likeliest() const;

  /// Returns 1 for the likeliest token; ties rank by id.
  Index rank(TokenId token) const;

  /// Returns the `count` likeliest tokens, at most all. Uses `order` as memory for V ids.
  std::vector<TokenProbability> top(Index count, std::vector<TokenId>& order) const;

 private:
  double scaled(float logit) const { return static_cast<double>(logit - max_) / temperature_; }

  ConstVec<float> logits_;
  double temperature_;
  float max_;
  double log_sum_;
};

}  // namespace kiln
