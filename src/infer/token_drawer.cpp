// Copies the logits before the sampler overwrites them, for the log probability over the whole vocabulary.
#include "infer/token_drawer.h"

#include <algorithm>
#include <cmath>

namespace kiln {

DrawnToken TokenDrawer::draw(Vec<float> logits, std::span<const TokenId> context, Rng& rng, Index drawn) {
  if (log_probabilities_) drawn_from_.assign(logits.data(), logits.data() + logits.size());
  const TokenId token = sampler_.pick(Vec<float>(logits.data(), candidates_), context, rng, drawn);
  if (!log_probabilities_) return {.token = token};
  const float greatest = *std::ranges::max_element(drawn_from_);
  double sum = 0;
  for (const float logit : drawn_from_) sum += std::exp(static_cast<double>(logit - greatest) / temperature_);
  const float taken = drawn_from_[static_cast<std::size_t>(token)];
  return {.token = token, .log_probability = static_cast<double>(taken - greatest) / temperature_ - std::log(sum)};
}

}  // namespace kiln
