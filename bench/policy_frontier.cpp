// Tunes models of random walks by policy gradients and holds them against the exact frontier of reward and divergence.
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/stopwatch.h"
#include "kiln/plot/picture.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "support/walk_rollouts.h"
#include "walk_study.h"
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace kiln::testing {
namespace {

constexpr double kBetas[] = {0.5, 0.2, 0.1};
constexpr double kLeastShare = 0.9;         // of the frontier's gain, on average
constexpr double kMostOffDivergence = 0.3;  // of the optimum's

/// A way to tune that the study compares.
struct Preset {
  const char* name;
  ObjectiveKind type;
  AdvantageScale scale = AdvantageScale::preset;
  LossType loss_type = LossType::dapo;
  double only_beta = 0;      // 0: all of kBetas
  double learning_rate = 1;  // over that of the others
  Index value_warmup = 0;    // rollouts
};

// GRPO without its scale, which moves the optimum: it makes the reward count more where rewards differ less.
constexpr Preset kPresets[] = {
    {.name = "grpo, scale none", .type = ObjectiveKind::grpo, .scale = AdvantageScale::none},
    {.name = "rloo", .type = ObjectiveKind::rloo},
    {.name = "reinforce", .type = ObjectiveKind::reinforce},
    {.name = "ppo", .type = ObjectiveKind::ppo, .learning_rate = 0.125},  // it takes four steps for each rollout
    {.name = "rloo, dr_grpo", .type = ObjectiveKind::rloo, .loss_type = LossType::dr_grpo, .only_beta = 0.2},
};

struct Options : WalkOptions {
  void add_to(CLI::App& app) {
    WalkOptions::add_to(app);
    app.add_flag("--dpo", with_dpo, "tune by DPO too");
    app.add_option("--only", only, "part of the name of the presets to run")->type_name("NAME");
    app.add_option("--rollouts", rollouts, "of a training");
    app.add_option("--prompts", prompts, "of a rollout");
    app.add_option("--answers", answers, "to a prompt");
    app.add_option("--learning-rate", learning_rate, "of most presets");
  }

  Index rollouts = 200;
  Index prompts = 20;
  Index answers = 16;
  double learning_rate = 2e-3;
  bool with_dpo = false;
  std::string only;
};

/// What a preset reaches at each beta.
struct Tuned {
  std::string name;
  std::vector<Reached> reached;
};

Reached tuned(const WalkStudy& study, const Walks& walks, const Preset& preset, double beta, const Options& options) {
  PolicyCourse course{.type = preset.type,
                      .beta = beta,
                      .policy = {.prompts = options.prompts,
                                 .answers = options.answers,
                                 .max_tokens = kLongestWalk - 1,
                                 .scale = preset.scale,
                                 .loss_type = preset.loss_type,
                                 .value_warmup = preset.value_warmup},
                      .rollouts = options.rollouts,
                      .rows = 1024,
                      .learning_rate = preset.learning_rate * options.learning_rate,
                      .ends = walks.ends};
  return study.mean(beta, options.seeds, preset.name, [&](std::uint64_t seed) {
    course.seed = seed;
    return tune_by_rollouts(study.base(), walks.prompts, walks.score, course);
  });
}

/// Tunes by DPO on pairs with the probabilities of their labels, as kiln_preference_frontier does.
Reached tuned_by_dpo(const WalkStudy& study, double beta, Index seeds) {
  constexpr Index kSteps = 800, kRows = 1024, kEpisodes = 8;
  return study.mean(beta, seeds, "dpo", [&](std::uint64_t seed) {
    const auto pairs =
        judge_walks(study.tree(), study.rho(),
                    {.prompts = kSteps * kRows / (kEpisodes * 5), .episodes = kEpisodes, .rows = kRows, .seed = seed});
    return tune(
        study.base(), pairs,
        {.objective = {.type = ObjectiveKind::dpo, .beta = beta}, .steps = kSteps, .rows = kRows, .seed = seed});
  });
}

std::vector<Tuned> tune_all(const WalkStudy& study, const Options& options) {
  const Walks walks = walks_of(study.tree());
  std::vector<Tuned> all;
  for (const Preset& preset : kPresets) {
    if (std::string(preset.name).find(options.only) == std::string::npos) continue;
    Tuned& one = all.emplace_back(Tuned{preset.name, {}});
    for (const double beta : kBetas) {
      if (preset.only_beta > 0 && beta != preset.only_beta) continue;
      one.reached.push_back(tuned(study, walks, preset, beta, options));
    }
  }
  if (options.with_dpo) {
    Tuned& dpo = all.emplace_back(Tuned{"dpo", {}});
    for (const double beta : kBetas) dpo.reached.push_back(tuned_by_dpo(study, beta, options.seeds));
  }
  return all;
}

/// Returns true if a policy gradient has reached what it must.
bool is_reached(const Reached& one) {
  return one.share >= kLeastShare && std::abs(one.divergence_ratio - 1) <= kMostOffDivergence;
}

void print_table(const WalkStudy& study, const std::vector<Tuned>& all, double seconds) {
  print_line(study, seconds);
  print_head("tuned by | beta", "reached");
  for (const Tuned& tuned : all) {
    for (const Reached& one : tuned.reached) print_row(one, fmt::format("{} | {}", tuned.name, one.beta));
  }
}

void print_json(const WalkStudy& study, const std::vector<Tuned>& all, double seconds) {
  Json json = json_of(study, seconds);
  json["tuned"] = Json::array();
  for (const Tuned& tuned : all) {
    for (const Reached& one : tuned.reached) {
      json["tuned"].push_back(to_json(one));
      json["tuned"].back()["by"] = tuned.name;
    }
  }
  fmt::print("{}\n", json.dump(2));
}

Figure figure_of(const WalkStudy& study, const std::vector<Tuned>& all) {
  Figure figure = frontier_figure(study, "Policy gradients at a known optimum");
  int color = 0;
  for (const Tuned& tuned : all) {
    std::vector<Outcome> found;
    for (const Reached& one : tuned.reached) found.push_back(one.found);
    mark(figure, tuned.name, found, ++color);
  }
  return figure;
}

/// Returns true if all policy gradients have reached what they must; names those that have not.
bool run(const Options& options) {
  const Stopwatch stopwatch;
  const WalkStudy study(options);
  const std::vector<Tuned> all = tune_all(study, options);
  const double seconds = stopwatch.seconds();
  if (options.svg) write_file_atomically(*options.svg, to_picture(figure_of(study, all), *options.svg));
  options.json ? print_json(study, all, seconds) : print_table(study, all, seconds);
  bool are_reached = true;
  for (const Tuned& tuned : all) {
    for (const Reached& one : tuned.reached) {
      if (tuned.name == "dpo" || is_reached(one)) continue;
      fmt::print(stderr, "{}, beta {}: share {:.3f} (at least {}), nats over the optimum's {:.3f} (1 +- {})\n",
                 tuned.name, one.beta, one.share, kLeastShare, one.divergence_ratio, kMostOffDivergence);
      are_reached = false;
    }
  }
  return are_reached;
}

}  // namespace
}  // namespace kiln::testing

int main(int count, char** arguments) { return kiln::testing::run_study(count, arguments, kiln::testing::run); }
