// Chooses tokens by unnormalised probabilities (weights): no step except top-p and the draw needs their sum.
#include "kiln/infer/sampler.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/infer/context.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace kiln {

void SamplingOptions::validate() const {
  check(std::isfinite(temperature) && temperature >= 0,
        "the temperature is {}; it must be 0 (always the likeliest token) or more", significant(temperature, 6));
  check(top_k >= 0, "top-k is {}; it must be 1 or more, or 0 for all tokens", top_k);
  check(top_p > 0 && top_p <= 1, "top-p is {}; it must be greater than 0 and at most 1 (all tokens)",
        significant(top_p, 6));
  check(min_p >= 0 && min_p <= 1, "min-p is {}; it must lie between 0 (all tokens) and 1", significant(min_p, 6));
  using Float = std::numeric_limits<float>;
  check(repetition_penalty >= Float::min() && repetition_penalty <= Float::max(),
        "the repetition penalty is {}; it must lie between {:.2g} and {:.2g}; 1 is no penalty",
        significant(repetition_penalty, 6), Float::min(), Float::max());
  for (const auto& [name, penalty] : {std::pair("presence", presence_penalty), {"frequency", frequency_penalty}}) {
    check(std::isfinite(penalty), "the {} penalty is {}; it must be a number; 0 is no penalty", name,
          significant(penalty, 6));
  }
}

Sampler::Sampler(const SamplingOptions& options) : options_(options) { options_.validate(); }

TokenId Sampler::pick(Vec<float> logits, std::span<const TokenId> context, Rng& rng, Index drawn) {
  check_finite(as_const(logits));
  if (options_.repetition_penalty != 1) penalise_repetition(logits, context);
  if (options_.presence_penalty != 0 || options_.frequency_penalty != 0) {
    penalise_drawn(logits, context.last(static_cast<std::size_t>(drawn)));
  }
  for (const auto& [token, bias] : options_.logit_bias) logits[token] += bias;
  if (options_.takes_likeliest()) {
    return static_cast<TokenId>(std::max_element(logits.data(), logits.data() + logits.size()) - logits.data());
  }
  weigh(logits);
  keep_top_k();
  keep_top_p();
  keep_min_p();
  return draw(rng);
}

bool Sampler::is_likelier(const Candidate& a, const Candidate& b) {
  return a.weight > b.weight || (a.weight == b.weight && a.token < b.token);
}

/// Calls body(token, count) once for each token in [0, V), with how often it is among `tokens`.
template <class Body>
void Sampler::for_each_distinct(Index V, std::span<const TokenId> tokens, const Body& body) {
  counts_.resize(static_cast<std::size_t>(V), 0);
  const auto is_known = [&](TokenId token) { return token >= 0 && token < V; };
  for (const TokenId token : tokens) {
    if (is_known(token)) ++counts_[static_cast<std::size_t>(token)];
  }
  for (const TokenId token : tokens) {
    if (!is_known(token)) continue;
    if (const Index count = std::exchange(counts_[static_cast<std::size_t>(token)], 0); count > 0) body(token, count);
  }
}

/// Divides positive logits by the penalty and multiplies negative ones, once for each distinct token of the context.
void Sampler::penalise_repetition(Vec<float> logits, std::span<const TokenId> context) {
  const auto penalty = static_cast<float>(options_.repetition_penalty);
  for_each_distinct(logits.size(), context, [&](TokenId token, Index) {
    const float penalised = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty;
    logits[token] = std::clamp(penalised, std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max());
  });
}

void Sampler::penalise_drawn(Vec<float> logits, std::span<const TokenId> drawn) {
  for_each_distinct(logits.size(), drawn, [&](TokenId token, Index count) {
    const double penalty = options_.presence_penalty + options_.frequency_penalty * static_cast<double>(count);
    logits[token] -= static_cast<float>(penalty);
  });
}

/// Makes all tokens candidates, with weight exp((z - max z) / temperature).
void Sampler::weigh(Vec<float> logits) {
  const float temperature = std::max(static_cast<float>(options_.temperature), std::numeric_limits<float>::min());
  logits = ((logits.array() - logits.maxCoeff()) / temperature).exp().matrix();
  candidates_.resize(static_cast<std::size_t>(logits.size()));
  for (std::size_t v = 0; v < candidates_.size(); ++v) {
    candidates_[v] = {logits[static_cast<Index>(v)], static_cast<TokenId>(v)};
  }
}

void Sampler::keep_top_k() {
  if (options_.top_k == 0 || options_.top_k >= std::ssize(candidates_)) return;
  std::nth_element(candidates_.begin(), candidates_.begin() + options_.top_k, candidates_.end(), is_likelier);
  candidates_.resize(static_cast<std::size_t>(options_.top_k));
}

/// Takes the likeliest from a heap until their probability reaches p: sorts only what it keeps.
void Sampler::keep_top_p() {
  if (options_.top_p == 1) return;
  const auto is_less_likely = [](const Candidate& a, const Candidate& b) { return is_likelier(b, a); };
  const double wanted = options_.top_p * total();
  std::make_heap(candidates_.begin(), candidates_.end(), is_less_likely);
  auto rest = candidates_.end();  // [rest, end) is kept
  double kept = 0;
  do {
    std::pop_heap(candidates_.begin(), rest, is_less_likely);
    --rest;
    kept += rest->weight;
  } while (kept < wanted && rest != candidates_.begin());
  candidates_.erase(candidates_.begin(), rest);
}

void Sampler::keep_min_p() {
  if (options_.min_p == 0) return;
  const float least = static_cast<float>(options_.min_p);  // the likeliest token, which is always kept, weighs 1
  std::erase_if(candidates_, [&](const Candidate& candidate) { return candidate.weight < least; });
}

double Sampler::total() const {
  double sum = 0;
  for (const Candidate& candidate : candidates_) sum += candidate.weight;
  return sum;
}

TokenId Sampler::draw(Rng& rng) const {
  double left = rng.uniform() * total();
  for (const Candidate& candidate : candidates_) {
    left -= candidate.weight;
    if (left < 0) return candidate.token;
  }
  return std::ranges::min(candidates_, is_likelier).token;  // reached by rounding only
}

}  // namespace kiln
