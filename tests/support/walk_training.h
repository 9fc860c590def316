// Models of random walks: the base that learns them, judged pairs of its walks, and policies tuned by these.
#pragma once

#include "support/policy_training.h"
#include "support/random_walks.h"
#include "train/reference.h"
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace kiln::testing {

/// Returns a model's probabilities at every prefix of a tree, from forwards of its longest walks.
inline WalkPolicy policy_of(const TrainedPolicy& trained, const WalkTree& tree) {
  constexpr Index kRows = 2048;
  const auto runner = trained.view().make_runner({.rows = kRows, .scored = kRows});
  WalkPolicy policy(at(tree.size()));
  TokenRows rows;
  std::vector<Index> chosen, prefixes;  // the rows to read, and the prefixes that end there
  const auto run = [&] {
    rows.round_up(kRowMultiple);
    const auto log_probs = log_probs_after(*runner, trained.view().weights, rows, chosen);
    for (std::size_t m = 0; m < chosen.size(); ++m) {
      std::copy(log_probs[m].begin(), log_probs[m].end(), policy[at(prefixes[m])].begin());
    }
    rows.clear();
    chosen.clear();
    prefixes.clear();
  };
  std::array<TokenId, kLongestWalk> nodes{};
  Index done = 0;
  for (Index i = 0; i < tree.size(); ++i) {
    const WalkTree::Prefix& prefix = tree[i];
    nodes[at(prefix.length - 1)] = prefix.node;
    if (i + 1 < tree.size() && tree[i + 1].parent == i) continue;  // a longer walk begins with this one
    if (rows.size() + kLongestWalk > kRows) run();
    for (; done <= i; ++done) {
      chosen.push_back(rows.size() + tree[done].length - 1);
      prefixes.push_back(done);
    }
    rows.append(std::span<const TokenId>(nodes).first(at(prefix.length)));
  }
  run();
  return policy;
}

/// Returns a model that has learned the walks of uniform moves.
inline TrainedPolicy learn_walks(const WalkTree& tree, const Course& course) {
  const WalkPolicy uniform = uniform_walks(tree);
  Rng rng(course.seed, "walks to learn");
  auto walks = std::make_shared<TokenExamples>();
  for (Index rows = 0, i = 0; rows < course.steps * course.rows; ++i) {  // each is learned once
    walks->add(draw_episode(tree, uniform, static_cast<TokenId>(1 + i % (kWalkNodes - 1)), rng).nodes);
    rows += walks->rows(i);
  }
  TrainedPolicy base(std::make_shared<LanguageModel<float>>(little_llama(2, 64, kLongestWalk), kWalkNodes),
                     course.seed);
  train(base, walks, course);
  return base;
}

/// How walks are drawn and judged.
struct Judging {
  Index prompts = 1;
  Index episodes = 2;             // of each prompt; any two are compared
  bool labels_are_drawn = false;  // true: one is the better one; false: with its probability
  Index rows = 1024;              // of a batch
  std::uint64_t seed = 1;
};

/// Returns episodes of a policy from each start in turn, compared in pairs by Bradley-Terry's model of their rewards.
inline std::shared_ptr<EncodedPreferences> judge_walks(const WalkTree& tree, const WalkPolicy& policy,
                                                       const Judging& judging) {
  Rng rng(judging.seed, "walks to judge");
  auto preferences = std::make_shared<EncodedPreferences>(
      PreferenceEncoding{.weight_of = WeightOf::comparison, .n_ctx = kLongestWalk, .rows = judging.rows});
  for (Index i = 0; i < judging.prompts; ++i) {
    const auto start = static_cast<TokenId>(1 + i % (kWalkNodes - 1));
    EncodedPrompt prompt{.prompt = {start}, .answers = {}, .comparisons = {}, .census = {}, .place = "walks"};
    std::vector<double> rewards;
    std::vector<Index> answers;  // of each episode; equal ones are one answer
    for (Index k = 0; k < judging.episodes; ++k) {
      const Episode episode = draw_episode(tree, policy, start, rng);
      std::vector<TokenId> answer(episode.nodes.begin() + 1, episode.nodes.end());
      const auto known = std::ranges::find(prompt.answers, answer);
      answers.push_back(known - prompt.answers.begin());
      rewards.push_back(episode.reward);
      if (known == prompt.answers.end()) prompt.answers.push_back(std::move(answer));
      for (Index other = 0; other < k; ++other) {
        if (answers[at(other)] == answers[at(k)]) continue;
        Comparison comparison = compare(answers[at(other)], answers[at(k)], rewards[at(other)], rewards[at(k)]);
        if (judging.labels_are_drawn) {
          if (rng.uniform() >= comparison.probability) std::swap(comparison.chosen, comparison.rejected.front());
          comparison.probability = 1;
        }
        prompt.comparisons.push_back(std::move(comparison));
      }
    }
    preferences->add(prompt);
  }
  return preferences;
}

/// Returns a policy that begins as the base and is tuned on judged answers, with the base as its reference.
inline TrainedPolicy tune(const TrainedPolicy& base, const std::shared_ptr<EncodedPreferences>& preferences,
                          const Course& course) {
  preferences->set_reference(answer_log_probs(base.view(), preferences, course.rows));
  TrainedPolicy policy = base.copy();
  train(policy, preferences, course);
  return policy;
}

}  // namespace kiln::testing
