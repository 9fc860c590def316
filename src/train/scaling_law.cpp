// L = E + A / N'^a + B / D'^a, with N' and D' what parameters and tokens are worth.
#include "kiln/train/scaling_law.h"

#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

constexpr double kFloor = 1.87;                // E: the text's own entropy
constexpr double kParameterFactor = 521;       // A
constexpr double kTokenFactor = 1488;          // B
constexpr double kExponent = 0.3526596;        // alpha = beta
constexpr double kTokenRepeats = 15.387756;    // R_D*: passes that a text is worth at most, beyond the first
constexpr double kParameterExcess = 5.309743;  // R_N*: the same of the parameters that suit the text

/// What `amount` is worth where all beyond `unique` fades with the scale `fading`.
double worth(double amount, double unique, double fading) {
  const double repeats = std::max(amount / unique - 1, 0.0);
  return std::min(amount, unique) + unique * fading * (1 - std::exp(-repeats / fading));
}

}  // namespace

double compute_optimal_ratio() { return std::pow(kTokenFactor / kParameterFactor, 1 / kExponent); }

double expected_loss(double parameters, double tokens, double unique_tokens) {
  const double suited = unique_tokens / compute_optimal_ratio();  // parameters that one pass over the text calls for
  return kFloor + kParameterFactor / std::pow(worth(parameters, suited, kParameterExcess), kExponent) +
         kTokenFactor / std::pow(worth(tokens, unique_tokens, kTokenRepeats), kExponent);
}

}  // namespace kiln
