// Draws tokens from logits, with the probability that the model gave them.
#pragma once

#include "kiln/infer/generate.h"
#include "kiln/infer/sampler.h"

#include <span>
#include <vector>

namespace kiln {

struct DrawnToken {
  TokenId token = 0;
  double log_probability = 0;  // see LogProbabilities
};

/// Chooses tokens as Sampler does. Keeps buffers between calls; use one per thread.
class TokenDrawer {
 public:
  /// `candidates`: ids from this one on are not drawn. Throws Error (usage) as SamplingOptions::validate does.
  TokenDrawer(const SamplingOptions& sampling, Index candidates, LogProbabilities log_probabilities)
      : sampler_(sampling),
        candidates_(candidates),
        log_probabilities_(log_probabilities != LogProbabilities::none),
        temperature_(log_probabilities == LogProbabilities::at_temperature ? sampling.temperature : 1) {}

  /// Returns the next token. Overwrites logits (V). `context` has the earlier tokens, of which the last `drawn` were
  /// drawn, for the penalties. Throws Error (diverged) if a logit of a candidate is not finite.
  DrawnToken draw(Vec<float> logits, std::span<const TokenId> context, Rng& rng, Index drawn = 0);

 private:
  Sampler sampler_;
  Index candidates_;
  bool log_probabilities_;
  double temperature_;             // of the log probabilities
  std::vector<float> drawn_from_;  // (V)
};

}  // namespace kiln
