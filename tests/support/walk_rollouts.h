// Random walks as the answers of rollouts: prompts, where an answer ends, and what it scores.
#pragma once

#include "support/random_walks.h"
#include "support/rollout_training.h"
#include "support/walk_training.h"
#include <functional>
#include <span>
#include <utility>
#include <vector>

namespace kiln::testing {

/// Walks from every start, and what scores them.
struct Walks {
  std::vector<Prompt> prompts;
  EndsAnswer ends;
  std::function<double(const kiln::Episode&)> score;
};

/// Returns the prefix that a walk leads to; kEnd if the episode is over, with its reward.
inline std::pair<Index, double> follow(const WalkTree& tree, TokenId start, std::span<const TokenId> moves) {
  Index i = tree.root(start);
  double reward = 0;
  for (const TokenId move : moves) {
    if (i == WalkTree::kEnd) break;
    reward = tree[i].rewards[at(move)];
    i = tree[i].next[at(move)];
  }
  return {i, reward};
}

/// Returns the walks of a tree, which must outlive them.
inline Walks walks_of(const WalkTree& tree) {
  Walks walks;
  for (TokenId start = 1; start < kWalkNodes; ++start) walks.prompts.push_back({start});
  walks.ends = [&tree](const Prompt& prompt, std::span<const TokenId> answer) {
    return follow(tree, prompt.front(), answer).first == WalkTree::kEnd;
  };
  walks.score = [&tree](const kiln::Episode& episode) {
    return follow(tree, static_cast<TokenId>(episode.prompt + 1), episode.tokens).second;
  };
  return walks;
}

}  // namespace kiln::testing
