// Tunes models of random walks by DPO and holds them against the exact frontier of reward and divergence.
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/stopwatch.h"
#include "kiln/plot/picture.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "walk_study.h"
#include <cstdio>
#include <string>
#include <vector>

namespace kiln::testing {
namespace {

constexpr double kBetas[] = {0.5, 0.2, 0.1};
constexpr int kBestOf[] = {4, 16};
constexpr double kLearnedBeta = 0.2;  // of the learning curve
constexpr Index kPairs[] = {500, 2'000, 8'000, 32'000, 128'000};
constexpr double kPasses = 2;   // over pairs with drawn labels, unless these are too many
constexpr Index kRows = 1024;   // of a step
constexpr Index kEpisodes = 8;  // of a prompt with soft labels

struct Options : WalkOptions {
  void add_to(CLI::App& app) {
    WalkOptions::add_to(app);
    app.add_option("--steps", steps, "of a training with soft labels; of drawn ones at most twice as many");
    app.add_option("--learning-rate", learning_rate, "with soft labels");
  }

  Index steps = 800;
  double learning_rate = 1e-3;
  double drawn_learning_rate = 5e-4;  // lower, since drawn labels make the gradient noisy
};

/// The trainings of the study.
class Study : public WalkStudy {
 public:
  explicit Study(const Options& options) : WalkStudy(options), options_(options) {}

  /// Tunes by pairs with the probabilities of their labels.
  Reached soft(double beta) const {
    const Index prompts = options_.steps * kRows / (kEpisodes * 5);  // about one pass: an episode has 5 rows or so
    return tuned(beta, prompts, {.steps = options_.steps, .learning_rate = options_.learning_rate},
                 {.prompts = prompts, .episodes = kEpisodes, .rows = kRows});
  }

  /// Tunes by pairs with drawn labels.
  Reached drawn(double beta, Index pairs) const {
    const double rows = 2 * 6 * static_cast<double>(pairs);  // unequal episodes are a little longer
    const auto wanted = static_cast<Index>(kPasses * rows / static_cast<double>(kRows));
    const Index steps = std::min(wanted, options_.steps * 2);
    return tuned(beta, pairs, {.steps = steps, .learning_rate = options_.drawn_learning_rate},
                 {.prompts = pairs, .labels_are_drawn = true, .rows = kRows});
  }

 private:
  Reached tuned(double beta, Index pairs, Course course, Judging judging) const {
    course.objective = {.type = ObjectiveKind::dpo, .beta = beta};
    course.rows = kRows;
    const std::string what = fmt::format("{} {}", pairs, judging.labels_are_drawn ? "pairs" : "prompts");
    Reached reached = mean(beta, options_.seeds, what, [&](std::uint64_t seed) {
      course.seed = judging.seed = seed;
      return tune(base(), judge_walks(tree(), rho(), judging), course);
    });
    reached.pairs = pairs;
    return reached;
  }

  Options options_;
};

struct BestOf {
  int n = 0;
  Outcome exact;
  SampledMean sampled;
};

std::vector<BestOf> best_of_all(const Study& study) {
  std::vector<BestOf> all;
  for (const int n : kBestOf) {
    all.push_back({n, best_of(study.laws(), n), sample_best_of(study.tree(), study.rho(), n, 500, 1)});
  }
  return all;
}

Json json_of(const Reached& one) {
  Json json = to_json(one);
  json["pairs"] = one.pairs;
  return json;
}

Figure figure_of(const Study& study, const std::vector<Reached>& soft, const std::vector<Reached>& drawn,
                 const std::vector<BestOf>& best) {
  Figure figure = frontier_figure(study, "Preferences at a known optimum");
  for (const Reached& one : soft) mark(figure, fmt::format("DPO, beta {}", one.beta), {one.found}, 1);
  for (const BestOf& one : best) mark(figure, fmt::format("best of {}", one.n), {one.exact}, 2);
  for (const Reached& one : drawn) mark(figure, fmt::format("DPO, {} judged pairs", one.pairs), {one.found}, 3);
  return figure;
}

void print_tables(const Study& study, const std::vector<Reached>& soft, const std::vector<Reached>& drawn,
                  const std::vector<BestOf>& best, double seconds) {
  print_line(study, seconds);
  print_head("beta", "DPO");
  for (const Reached& one : soft) print_row(one, fmt::format("{}", one.beta));
  print_head("pairs with a drawn label", "DPO");
  for (const Reached& one : drawn) print_row(one, fmt::format("{}", one.pairs));
  fmt::print("\n| best of | exact: reward at nats | sampled |\n|---|---|---|\n");
  for (const BestOf& one : best) {
    fmt::print("| {} | {:.4f} at {:.3f} | {:.4f} +- {:.4f} |\n", one.n, one.exact.reward, one.exact.divergence,
               one.sampled.mean, one.sampled.error);
  }
}

/// Returns true: the study judges nothing.
bool run(const Options& options) {
  const Stopwatch stopwatch;
  const Study study(options);
  std::vector<Reached> soft, drawn;
  for (const double beta : kBetas) soft.push_back(study.soft(beta));
  for (const Index pairs : kPairs) drawn.push_back(study.drawn(kLearnedBeta, pairs));
  const std::vector<BestOf> best = best_of_all(study);
  const double seconds = stopwatch.seconds();
  if (options.svg) {
    write_file_atomically(*options.svg, to_picture(figure_of(study, soft, drawn, best), *options.svg));
  }
  if (!options.json) {
    print_tables(study, soft, drawn, best, seconds);
    return true;
  }
  Json json = json_of(study, seconds);
  for (const char* part : {"soft", "drawn", "best_of"}) json[part] = Json::array();
  for (const Reached& one : soft) json["soft"].push_back(json_of(one));
  for (const Reached& one : drawn) json["drawn"].push_back(json_of(one));
  for (const BestOf& one : best) {
    json["best_of"].push_back({{"n", one.n},
                               {"reward", one.exact.reward},
                               {"divergence", one.exact.divergence},
                               {"sampled", one.sampled.mean},
                               {"standard_error", one.sampled.error}});
  }
  fmt::print("{}\n", json.dump(2));
  return true;
}

}  // namespace
}  // namespace kiln::testing

int main(int count, char** arguments) { return kiln::testing::run_study(count, arguments, kiln::testing::run); }
