// Answers of 24 symbols: the random chain that draws them, and models that have learned it.
#pragma once

#include "kiln/core/rng.h"

#include "support/policy_training.h"
#include "support/random_walks.h"
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace kiln::testing {

inline constexpr Index kSymbols = 16;       // also the vocabulary
inline constexpr Index kAnswerLength = 24;  // symbols; the symbol before them is the prompt

/// A Markov chain whose logits are drawn from N(0, 1).
class SymbolChain {
 public:
  explicit SymbolChain(std::uint64_t seed) {
    Rng rng(seed, "symbol chain");
    for (auto& row : next_) {
      double sum = 0;
      for (double& p : row) sum += p = std::exp(rng.normal());
      for (double& p : row) p /= sum;
    }
  }

  /// Draws a symbol to follow another.
  TokenId draw(TokenId after, Rng& rng) const {
    double left = rng.uniform();
    TokenId symbol = 0;
    for (; symbol + 1 < kSymbols; ++symbol) {
      left -= next_[at(after)][at(symbol)];
      if (left < 0) break;
    }
    return symbol;
  }

 private:
  std::array<std::array<double, kSymbols>, kSymbols> next_{};
};

/// Returns each symbol as the prompt of an answer.
inline std::vector<Prompt> symbol_prompts() {
  std::vector<Prompt> prompts;
  for (TokenId symbol = 0; symbol < kSymbols; ++symbol) prompts.push_back({symbol});
  return prompts;
}

/// Returns a model that has learned answers of the chain, each seen once.
inline TrainedPolicy learn_symbols(const SymbolChain& chain, Index n_layers, Index d_model, const Course& course) {
  Rng rng(course.seed, "symbols to learn");
  auto answers = std::make_shared<TokenExamples>();
  for (Index rows = 0, i = 0; rows < course.steps * course.rows; ++i) {
    std::vector<TokenId> symbols{static_cast<TokenId>(i % kSymbols)};
    while (std::ssize(symbols) <= kAnswerLength) symbols.push_back(chain.draw(symbols.back(), rng));
    answers->add(std::move(symbols));
    rows += answers->rows(i);
  }
  TrainedPolicy base(
      std::make_shared<LanguageModel<float>>(little_llama(n_layers, d_model, kAnswerLength + 1), kSymbols),
      course.seed);
  train(base, answers, course);
  return base;
}

}  // namespace kiln::testing
