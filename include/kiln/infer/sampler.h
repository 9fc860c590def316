// Chooses the next token from a row of logits.
#pragma once

#include "kiln/core/rng.h"
#include "kiln/tensor/view.h"
#include "kiln/text/token.h"

#include <span>
#include <utility>
#include <vector>

namespace kiln {

/// How the next token is chosen. The defaults draw from the model's unchanged distribution.
struct SamplingOptions {
  double temperature = 1.0;         // divides the logits; 0: the likeliest token
  Index top_k = 0;                  // only the k likeliest tokens; 0: all
  double top_p = 1.0;               // only the smallest set of probability >= p (arXiv:1904.09751)
  double min_p = 0.0;               // only tokens at least min_p times as probable as the likeliest (arXiv:2407.01082)
  double repetition_penalty = 1.0;  // makes earlier tokens less likely; 1: no penalty (arXiv:1909.05858)
  bool greedy = false;              // takes the likeliest token at any temperature
  double presence_penalty = 0;      // subtracted from the logit of each token that was drawn before
  double frequency_penalty = 0;     // subtracted once for each time that it was
  std::vector<std::pair<TokenId, float>> logit_bias = {};  // added to the logits of these tokens, which must exist

  /// Throws Error (usage) for a value out of range.
  void validate() const;

  bool takes_likeliest() const { return greedy || temperature == 0; }
};

/// Chooses tokens. Applies the steps in the order of Hugging Face's transformers: penalties and biases, temperature,
/// top-k, top-p, min-p, each on the renormalised result of the previous one. (llama.cpp applies the temperature last.)
/// Keeps buffers between calls; use one per thread.
class Sampler {
 public:
  /// Throws Error (usage) as SamplingOptions::validate does.
  explicit Sampler(const SamplingOptions& options);

  /// Returns the next token, in [0, V). Takes O(V) time; O(V + m log V) with top-p if m tokens pass it.
  /// Overwrites logits (V). `context` has the earlier tokens, for the penalties; ids outside [0, V) are ignored. Its
  /// last `drawn` tokens were drawn, the others are the prompt's: only the repetition penalty covers those. Equal
  /// logits rank by id. Throws Error (diverged) if a logit is not finite.
  TokenId pick(Vec<float> logits, std::span<const TokenId> context, Rng& rng, Index drawn = 0);

 private:
  struct Candidate {
    float weight;  // probability relative to the likeliest token's
    TokenId token;
  };
  static bool is_likelier(const Candidate& a, const Candidate& b);

  template <class Body>
  void for_each_distinct(Index V, std::span<const TokenId> tokens, const Body& body);
  void penalise_repetition(Vec<float> logits, std::span<const TokenId> context);
  void penalise_drawn(Vec<float> logits, std::span<const TokenId> drawn);
  void weigh(Vec<float> logits);
  void keep_top_k();
  void keep_top_p();
  void keep_min_p();
  double total() const;
  TokenId draw(Rng& rng) const;

  SamplingOptions options_;
  std::vector<Candidate> candidates_;
  std::vector<Index> counts_;  // (V), of tokens; all 0 between calls
};

}  // namespace kiln
