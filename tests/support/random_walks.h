// trlx's random walks (examples/randomwalks): a graph, its episodes, and what a policy makes of them exactly.
#pragma once

#include "kiln/core/rng.h"
#include "kiln/tensor/view.h"
#include "kiln/text/token.h"

#include "support/reward_frontier.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <vector>

namespace kiln::testing {

inline constexpr Index kWalkNodes = 21;  // also the vocabulary: a token is a node
inline constexpr TokenId kWalkGoal = 0;
inline constexpr Index kLongestWalk = 10;  // nodes, the start included

inline std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Draws the doubles of numpy's RandomState(seed).rand().
class NumpyRandom {
 public:
  explicit NumpyRandom(std::uint32_t seed) : words_(seed) {}

  double next() {
    const double high = static_cast<double>(words_() >> 5), low = static_cast<double>(words_() >> 6);
    return (high * 67108864 + low) / 9007199254740992;  // 27 and 26 bits over 2^53
  }

 private:
  std::mt19937 words_;
};

/// A directed graph in which a walk looks for node 0. Each edge is there with a probability of 0.1; graphs in which a
/// node has no edge are drawn again.
class WalkGraph {
 public:
  explicit WalkGraph(std::uint32_t seed) {
    NumpyRandom random(seed);
    do {
      for (auto& row : edges_) {
        for (bool& edge : row) edge = random.next() > 0.9;
      }
      for (Index i = 0; i < kWalkNodes; ++i) edges_[at(i)][at(i)] = false;
    } while (!is_complete());
    measure();
  }

  bool has(TokenId from, TokenId to) const { return edges_[at(from)][at(to)]; }

  /// Returns the number of nodes that a node other than the goal leads to.
  Index degree(TokenId from) const {
    Index count = 0;
    for (const bool edge : edges_[at(from)]) count += edge ? 1 : 0;
    return count;
  }

  /// Returns the edges that do not leave the goal.
  Index edges() const {
    Index count = 0;
    for (TokenId from = 1; from < kWalkNodes; ++from) count += degree(from);
    return count;
  }

  /// Returns the nodes of the shortest walk to the goal; kLongestWalk if there is no shorter one.
  Index shortest(TokenId start) const { return shortest_[at(start)]; }

  /// Returns the reward of a walk that reaches the goal with `length` nodes.
  double reward(TokenId start, Index length) const {
    if (length >= kLongestWalk) return 0;
    return static_cast<double>(kLongestWalk - length) / static_cast<double>(kLongestWalk - shortest(start));
  }

 private:
  bool is_complete() const {
    for (TokenId from = 0; from < kWalkNodes; ++from) {
      if (degree(from) == 0) return false;
    }
    return true;
  }

  /// Finds the shortest walks from every node at once, backwards from the goal.
  void measure() {
    shortest_.fill(kLongestWalk);
    shortest_[kWalkGoal] = 1;
    for (Index length = 2; length < kLongestWalk; ++length) {
      for (TokenId from = 1; from < kWalkNodes; ++from) {
        for (TokenId to = 0; to < kWalkNodes; ++to) {
          const bool is_next = has(from, to) && shortest_[at(to)] == length - 1;
          if (is_next && shortest_[at(from)] == kLongestWalk) shortest_[at(from)] = length;
        }
      }
    }
  }

  std::array<std::array<bool, kWalkNodes>, kWalkNodes> edges_{};
  std::array<Index, kWalkNodes> shortest_{};
};

/// The ways that episodes can take. An episode begins at one of 20 starts. It ends at the goal, at the first move that
/// is no edge, or when it has kLongestWalk nodes. Only one that reaches the goal has a reward.
class WalkTree {
 public:
  static constexpr Index kEnd = -1;

  /// A walk that the episode continues.
  struct Prefix {
    TokenId start = 0, node = 0;               // the first and the last node
    Index length = 1;                          // nodes
    Index parent = kEnd;                       // the prefix one node shorter
    std::array<Index, kWalkNodes> next{};      // by token: the prefix it leads to, or kEnd
    std::array<double, kWalkNodes> rewards{};  // by token: of the episode that it ends
  };

  explicit WalkTree(const WalkGraph& graph) : graph_(graph) {
    for (TokenId start = 1; start < kWalkNodes; ++start) {
      roots_[at(start)] = grow({.start = start, .node = start});
    }
  }

  const WalkGraph& graph() const { return graph_; }
  Index size() const { return std::ssize(prefixes_); }
  Index root(TokenId start) const { return roots_[at(start)]; }
  /// Prefix i > 0 is the child of prefix i - 1, or that one has no children.
  const Prefix& operator[](Index i) const { return prefixes_[at(i)]; }

 private:
  Index grow(const Prefix& prefix) {
    const Index i = size();
    prefixes_.push_back(prefix);
    for (TokenId token = 0; token < kWalkNodes; ++token) {
      const Index length = prefix.length + 1;
      const bool is_edge = graph_.has(prefix.node, token);
      Index next = kEnd;
      if (is_edge && token == kWalkGoal) {
        prefixes_[at(i)].rewards[at(token)] = graph_.reward(prefix.start, length);
      } else if (is_edge && length < kLongestWalk) {
        next = grow({.start = prefix.start, .node = token, .length = length, .parent = i});
      }
      prefixes_[at(i)].next[at(token)] = next;
    }
    return i;
  }

  WalkGraph graph_;
  std::vector<Prefix> prefixes_;
  std::array<Index, kWalkNodes> roots_{};
};

/// log p of each token after each prefix of a tree.   (prefixes, kWalkNodes)
using WalkPolicy = std::vector<std::array<double, kWalkNodes>>;

/// Returns the policy that takes each edge with the same probability.
inline WalkPolicy uniform_walks(const WalkTree& tree) {
  WalkPolicy policy(at(tree.size()));
  for (Index i = 0; i < tree.size(); ++i) {
    const TokenId node = tree[i].node;
    const double log_p = -std::log(static_cast<double>(tree.graph().degree(node)));
    for (TokenId token = 0; token < kWalkNodes; ++token) {
      policy[at(i)][at(token)] = tree.graph().has(node, token) ? log_p : -std::numeric_limits<double>::infinity();
    }
  }
  return policy;
}

/// Returns the probability that an episode from its start comes through each prefix.   (prefixes)
inline std::vector<double> reach(const WalkTree& tree, const WalkPolicy& policy) {
  std::vector<double> reached(at(tree.size()), 1.0);
  for (Index i = 0; i < tree.size(); ++i) {
    for (Index token = 0; token < kWalkNodes; ++token) {
      const Index next = tree[i].next[at(token)];
      if (next != WalkTree::kEnd) reached[at(next)] = reached[at(i)] * std::exp(policy[at(i)][at(token)]);
    }
  }
  return reached;
}

/// Returns the distributions of the rewards, one for each start.
inline std::vector<RewardLaw> reward_laws(const WalkTree& tree, const WalkPolicy& policy) {
  const std::vector<double> reached = reach(tree, policy);
  std::array<std::map<double, double>, kWalkNodes> masses;
  for (Index i = 0; i < tree.size(); ++i) {
    const WalkTree::Prefix& prefix = tree[i];
    for (Index token = 0; token < kWalkNodes; ++token) {
      if (prefix.next[at(token)] != WalkTree::kEnd) continue;
      masses[at(prefix.start)][prefix.rewards[at(token)]] += reached[at(i)] * std::exp(policy[at(i)][at(token)]);
    }
  }
  std::vector<RewardLaw> laws;
  for (TokenId start = 1; start < kWalkNodes; ++start) {
    laws.emplace_back();
    for (const auto& [reward, mass] : masses[at(start)]) laws.back().push_back({reward, mass});
  }
  return laws;
}

/// Returns KL(policy | base) of whole episodes in nats, averaged over the starts: the sum over all prefixes of the
/// probability to come through one, times the divergence of its next token.
inline double divergence(const WalkTree& tree, const WalkPolicy& policy, const WalkPolicy& base) {
  const std::vector<double> reached = reach(tree, policy);
  double sum = 0;
  for (Index i = 0; i < tree.size(); ++i) {
    for (std::size_t token = 0; token < at(kWalkNodes); ++token) {
      const double log_p = policy[at(i)][token], p = std::exp(log_p);
      if (p > 0) sum += reached[at(i)] * p * (log_p - base[at(i)][token]);
    }
  }
  return sum / static_cast<double>(kWalkNodes - 1);
}

/// Returns a policy's mean reward and its divergence from a base.
inline Outcome outcome(const WalkTree& tree, const WalkPolicy& policy, const WalkPolicy& base) {
  return {mean_reward(reward_laws(tree, policy)), divergence(tree, policy, base)};
}

/// Returns the policy whose episodes have probabilities in proportion to base * exp(reward / beta).
inline WalkPolicy tilted(const WalkTree& tree, const WalkPolicy& base, double beta) {
  std::vector<double> values(at(tree.size()), 0.0);  // log of the base's mean of exp(reward / beta) after a prefix
  WalkPolicy policy(at(tree.size()));
  for (Index i = tree.size() - 1; i >= 0; --i) {
    const WalkTree::Prefix& prefix = tree[i];
    double sum = 0;
    for (std::size_t token = 0; token < at(kWalkNodes); ++token) {
      const Index next = prefix.next[token];
      const double value = next == WalkTree::kEnd ? prefix.rewards[token] / beta : values[at(next)];
      policy[at(i)][token] = base[at(i)][token] + value;
      sum += std::exp(policy[at(i)][token]);
    }
    values[at(i)] = std::log(sum);
    for (double& log_p : policy[at(i)]) log_p -= values[at(i)];
  }
  return policy;
}

/// The nodes of an episode, the start first, and its reward.
struct Episode {
  std::vector<TokenId> nodes;
  double reward = 0;
};

/// Draws an episode.
inline Episode draw_episode(const WalkTree& tree, const WalkPolicy& policy, TokenId start, Rng& rng) {
  Episode episode{.nodes = {start}};
  for (Index i = tree.root(start); i != WalkTree::kEnd;) {
    double left = rng.uniform();
    TokenId token = 0, likely = 0;  // the latter in case rounding leaves a rest
    for (; token < kWalkNodes; ++token) {
      const double p = std::exp(policy[at(i)][at(token)]);
      if (p > 0) likely = token;
      left -= p;
      if (left < 0) break;
    }
    if (token == kWalkNodes) token = likely;
    episode.nodes.push_back(token);
    episode.reward = tree[i].rewards[at(token)];
    i = tree[i].next[at(token)];
  }
  return episode;
}

/// A mean of independent draws, and its standard error.
struct SampledMean {
  double mean = 0, error = 0;
};

/// Returns the mean reward of the best of n episodes, each of which is drawn `rounds` times from every start.
inline SampledMean sample_best_of(const WalkTree& tree, const WalkPolicy& policy, int n, int rounds,
                                  std::uint64_t seed) {
  Rng rng(seed, "best of n");
  SampledMean all;
  double variance = 0;  // of the mean, which a start's rounds contribute to
  constexpr double kStarts = kWalkNodes - 1;
  for (TokenId start = 1; start < kWalkNodes; ++start) {
    double sum = 0, squares = 0;
    for (int round = 0; round < rounds; ++round) {
      double best = 0;
      for (int i = 0; i < n; ++i) best = std::max(best, draw_episode(tree, policy, start, rng).reward);
      sum += best;
      squares += best * best;
    }
    const double mean = sum / rounds;
    all.mean += mean / kStarts;
    variance += (squares / rounds - mean * mean) / (rounds - 1) / (kStarts * kStarts);
  }
  all.error = std::sqrt(variance);
  return all;
}

}  // namespace kiln::testing
