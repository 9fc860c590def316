// What trainings reach on random walks, held against the exact frontier: means over seeds, a table, a figure.
#pragma once

#include "kiln/core/json.h"
#include "kiln/plot/figure.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "study.h"
#include "support/walk_training.h"
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace kiln::testing {

/// What trainings of several seeds reach, on average.
struct Reached {
  double beta = 0;
  Index pairs = 0;  // of a preference loss
  Outcome best = {}, found = {};
  double most = 0;              // the frontier at the divergence found
  double share = 0;             // of the way from the base's reward to that
  double lowest_share = 1;      // of any seed
  double divergence_ratio = 0;  // to the optimum's
  double distance = 0;          // KL(optimum | policy)
};

/// What studies of random walks have in common.
struct WalkOptions : StudyOptions {
  void add_to(CLI::App& app) {
    StudyOptions::add_to(app);
    app.add_option("--graph", graph, "seed of the graph");
    app.add_option("--seeds", seeds, "trainings of each kind");
    app.add_option("--base-steps", base_steps, "steps of the base");
  }

  std::uint32_t graph = 1000;
  Index seeds = 5;
  Index base_steps = 600;
};

/// A base that has learned random walks, and what is exact about it.
class WalkStudy {
 public:
  explicit WalkStudy(const WalkOptions& options)
      : tree_(WalkGraph(options.graph)),
        base_(learn_walks(tree_, {.steps = options.base_steps, .rows = 1024, .learning_rate = 3e-3})),
        rho_(policy_of(base_, tree_)),
        laws_(reward_laws(tree_, rho_)) {}

  const WalkTree& tree() const { return tree_; }
  const TrainedPolicy& base() const { return base_; }
  const WalkPolicy& rho() const { return rho_; }
  const std::vector<RewardLaw>& laws() const { return laws_; }
  Index parameters() const { return base_.model->layout.count(); }
  double divergence_of_uniform() const { return divergence(tree_, uniform_walks(tree_), rho_); }

  /// Returns the mean of what `tune` reaches with the seeds from 1 to `seeds`. `what` names it in the progress.
  Reached mean(double beta, Index seeds, const std::string& what,
               const std::function<TrainedPolicy(std::uint64_t seed)>& tune) const {
    Reached all{.beta = beta, .best = optimum(laws_, beta)};
    const double n = static_cast<double>(seeds), start = mean_reward(laws_);
    for (Index seed = 1; seed <= seeds; ++seed) {
      const WalkPolicy policy = policy_of(tune(static_cast<std::uint64_t>(seed)), tree_);
      const Outcome found = outcome(tree_, policy, rho_);
      const double most = frontier(laws_, found.divergence), share = (found.reward - start) / (most - start);
      all.found.reward += found.reward / n;
      all.found.divergence += found.divergence / n;
      all.most += most / n;
      all.share += share / n;
      all.lowest_share = std::min(all.lowest_share, share);
      all.divergence_ratio += found.divergence / all.best.divergence / n;
      all.distance += divergence(tree_, tilted(tree_, rho_, beta), policy) / n;
      fmt::print(stderr, "beta {}, {}, seed {}: {:.4f} at {:.4f} nats, frontier {:.4f}, share {:.3f}\n", beta, what,
                 seed, found.reward, found.divergence, most, share);
    }
    return all;
  }

 private:
  WalkTree tree_;
  TrainedPolicy base_;
  WalkPolicy rho_;
  std::vector<RewardLaw> laws_;
};

inline Json to_json(const Reached& one) {
  return {
      {"beta", one.beta},           {"optimal_reward", one.best.reward},  {"optimal_divergence", one.best.divergence},
      {"reward", one.found.reward}, {"divergence", one.found.divergence}, {"frontier", one.most},
      {"share", one.share},         {"lowest_share", one.lowest_share},   {"divergence_ratio", one.divergence_ratio},
      {"distance", one.distance}};
}

/// Returns what JSON says of a study before its results.
inline Json json_of(const WalkStudy& study, double seconds) {
  return {{"parameters", study.parameters()},
          {"base_reward", mean_reward(study.laws())},
          {"base_divergence", study.divergence_of_uniform()},
          {"seconds", seconds}};
}

/// Prints the same as a line.
inline void print_line(const WalkStudy& study, double seconds) {
  fmt::print("{} parameters; the base's reward {:.4f}; KL(uniform walks | base) {:.4f} nats; {:.0f} s\n",
             study.parameters(), mean_reward(study.laws()), study.divergence_of_uniform(), seconds);
}

/// Prints the head of a Markdown table whose rows begin with `first`.
inline void print_head(const std::string& first, const std::string& tuned) {
  fmt::print(
      "\n| {} | optimum: reward at nats | {} | share of the frontier's gain | worst seed | nats over the optimum's | "
      "KL(optimum, {}) |\n|---|---|---|--:|--:|--:|--:|\n",
      first, tuned, tuned);
}

inline void print_row(const Reached& one, const std::string& first) {
  fmt::print("| {} | {:.4f} at {:.3f} | {:.4f} at {:.3f} | {:.1f}% | {:.1f}% | {:.2f} | {:.4f} |\n", first,
             one.best.reward, one.best.divergence, one.found.reward, one.found.divergence, 100 * one.share,
             100 * one.lowest_share, one.divergence_ratio, one.distance);
}

/// Returns a figure of the frontier, to which points can be added.
inline Figure frontier_figure(const WalkStudy& study, std::string title) {
  Figure figure{.title = std::move(title),
                .subtitle = "random walks",
                .x_label = "KL from the base, nats",
                .y_label = "mean reward",
                .series = {},
                .notes = {},
                .x_is_count = false};
  Series line{.name = "frontier", .points = {{0, mean_reward(study.laws())}}};
  for (double beta = 20; beta > 0.02; beta /= 1.1) {
    const Outcome one = optimum(study.laws(), beta);
    line.points.push_back({one.divergence, one.reward});
  }
  figure.series.push_back(std::move(line));
  return figure;
}

/// Marks what was reached, in the order of divergence.
inline void mark(Figure& figure, const std::string& name, std::vector<Outcome> reached, int color) {
  std::ranges::sort(reached, {}, &Outcome::divergence);
  Series series{.name = name, .points = {}, .stroke = Stroke::markers, .color = color};
  for (const Outcome& one : reached) series.points.push_back({one.divergence, one.reward});
  figure.series.push_back(std::move(series));
}

}  // namespace kiln::testing
