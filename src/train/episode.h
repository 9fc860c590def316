// Holds the answers that a policy draws, and what it learns from each of their tokens.
#pragma once

#include "kiln/run/policy_config.h"
#include "kiln/tensor/view.h"
#include "kiln/text/token.h"

#include <span>
#include <vector>

namespace kiln {

/// An answer that a policy drew, of n tokens.
struct Episode {
  Index prompt = 0;             // its number in the data
  std::vector<TokenId> tokens;  // (n) with the end token, if it ended by itself
  bool ended = false;
  double score = 0;                // the weighted sum of its rewards
  std::vector<double> behaviour;   // (n) log p of each token when it was drawn
  std::vector<double> reference;   // (n) under the reference; empty without one
  std::vector<double> values;      // (n) estimates of the return before each token; empty without a value head
  std::vector<double> advantages;  // (n)
  std::vector<double> returns;     // (n) what the values are to predict; empty without a value head
};

/// Sets advantages and returns. A token's reward is the answer's score if it is the last one; with k1_in_reward, each
/// token's is lowered by kl_weight (behaviour - reference). Episodes of one prompt, `config.answers` each, follow each
/// other. The config must be resolved.
/// - group_mean, leave_one_out: the sum of the rewards from the token on, less the mean of the group's, or of its other
///   members', sums over whole answers. The scale divides the scores' part alone, by a deviation of scores: beta keeps
///   its meaning, and answers with equal scores gain nothing from each other;
/// - value: sum_l (gamma lambda)^l (reward + gamma V' - V) of the later tokens (GAE), where nothing follows the last
///   token, so that V' is 0.
void set_advantages(std::span<Episode> episodes, const PolicyConfig& config, double kl_weight);

/// Returns sum_t behaviour - reference of an episode: an unbiased estimate of its divergence, in nats.
double divergence_of(const Episode& episode);

}  // namespace kiln
