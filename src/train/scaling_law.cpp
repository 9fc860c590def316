// Sums the losses from limited parameters, text, context and steps.
#include "train/scaling_law.h"

#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

/// The loss from a limited amount: `factor` at an amount of `unit`.
struct Term {
  double factor, unit, exponent;
  double at(double amount) const { return factor * std::pow(amount / unit, -exponent); }
};

constexpr double kFloor = 0.8;  // E
constexpr Term kHidden{0.48, 2e5, 0.3};
constexpr Term kEmbedding{0.19, 1.3e5, 0.35};
constexpr Term kText{0.77, 5e6, 0.24};
constexpr Term kContext{0.05, 300, 0.5};
constexpr double kLearnedContext = 36;         // H: bits per doubling of the context, times steps
constexpr double kShortContext = 64;           // tokens, from which doublings are counted
constexpr double kMemorised = 0.15;            // R: bits per pass, times entries per token of the text
constexpr double kMostPasses = 60;             // limit of the passes P
constexpr double kSlowStart = 130;             // steps after which text counts half
constexpr double kNoisyTokens = 200;           // of a step, whose text counts half
constexpr double kTextRepeats = 15.387756;     // R_D*: most passes that repeats are worth
constexpr double kParameterExcess = 5.309743;  // R_N*: the same for parameters in excess of the text
constexpr double kSuitedParameters = 0.08;     // parameters per byte of text

/// Returns the worth of `amount`, of which the part beyond `unique` fades with the scale `fading`.
double worth(double amount, double unique, double fading) {
  const double repeats = std::max(amount / unique - 1, 0.0);
  return std::min(amount, unique) + unique * fading * (1 - std::exp(-repeats / fading));
}

}  // namespace

double expected_bits_per_byte(const TrainingFacts& facts) {
  const double suited = kSuitedParameters * facts.unique_bytes;
  const double passes = std::min(facts.bytes / facts.unique_bytes, kMostPasses);
  const double learned = facts.bytes * facts.steps / (facts.steps + kSlowStart) * facts.tokens_per_step /
                         (facts.tokens_per_step + kNoisyTokens);
  return kFloor + kHidden.at(worth(facts.hidden_parameters, suited, kParameterExcess)) +
         kEmbedding.at(worth(facts.embedding_parameters, suited, kParameterExcess)) +
         kText.at(worth(learned, facts.unique_bytes, kTextRepeats)) +
         kContext.at(facts.context * facts.bytes_per_token) +
         kLearnedContext * std::log2(facts.context / kShortContext) / facts.steps +
         kMemorised * facts.vocab_size * facts.bytes_per_token / facts.unique_bytes * passes;
}

}  // namespace kiln
