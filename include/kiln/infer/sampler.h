// From a row of logits to the next token.
#pragma once

#include "kiln/core/rng.h"
#include "kiln/tensor/view.h"
#include "kiln/text/token.h"

#include <span>
#include <vector>

namespace kiln {

/// How the next token is chosen. The defaults draw from the model's distribution as it stands.
struct SamplingOptions {
  double temperature = 1.0;         // divides the logits; 0 takes the likeliest token
  Index top_k = 0;                  // only the k likeliest tokens; 0, or more than there are: all
  double top_p = 1.0;               // only the smallest set whose probability reaches p (arXiv:1904.09751)
  double min_p = 0.0;               // only tokens at least min_p times as probable as the likeliest (arXiv:2407.01082)
  double repetition_penalty = 1.0;  // makes tokens that were there less likely; 1: no penalty (arXiv:1909.05858)
  bool greedy = false;              // takes the likeliest token, whatever the temperature

  /// Throws Error (usage) for a value out of range.
  void validate() const;

  bool takes_likeliest() const { return greedy || temperature == 0; }
};

/// Chooses tokens. The steps follow each other as in Hugging Face's transformers: repetition penalty, temperature,
/// top-k, top-p, min-p, each on what the one before has left, its probabilities summing to 1.
/// (llama.cpp applies the temperature last.) Keeps buffers between calls; one for each thread.
class Sampler {
 public:
  /// Throws Error (usage) as SamplingOptions::validate does.
  explicit Sampler(const SamplingOptions& options);

  /// The next token, in [0, V). O(V) time, and O(V + m log V) with top-p where m tokens pass it.
  /// logits (V) are overwritten; `context` is what came before, for the repetition penalty; ids outside [0, V) in it
  /// are passed over. Equal logits rank by id. Throws Error (diverged) where a logit is not finite.
  TokenId pick(Vec<float> logits, std::span<const TokenId> context, Rng& rng);

 private:
  struct Candidate {
    float weight;  // its probability over that of the likeliest token
    TokenId token;
  };
  static bool is_likelier(const Candidate& a, const Candidate& b);

  void penalise(Vec<float> logits, std::span<const TokenId> context);
  void weigh(Vec<float> logits);
  void keep_top_k();
  void keep_top_p();
  void keep_min_p();
  double total() const;
  TokenId draw(Rng& rng) const;

  SamplingOptions options_;
  std::vector<Candidate> candidates_;
  std::vector<char> seen_;  // (V), all 0 between calls
};

}  // namespace kiln
