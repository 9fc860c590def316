// Tunes a policy against a reward model that has learned from few judgements, and follows what its answers are truly
// worth: the proxy rises, the gold peaks and falls (arXiv:2210.10760).
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/stopwatch.h"
#include "kiln/plot/picture.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "study.h"
#include "support/rollout_training.h"
#include "support/symbol_chain.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kiln::testing {
namespace {

using Answers = std::vector<kiln::Episode>;

struct Options : StudyOptions {
  void add_to(CLI::App& app) {
    StudyOptions::add_to(app);
    app.add_option("--pairs", pairs, "judged pairs that the reward model learns from");
    app.add_option("--passes", passes, "passes over them");
    app.add_option("--reward-learning-rate", reward_learning_rate, "of the reward model");
    app.add_option("--rollouts", rollouts, "of the policy's training");
    app.add_option("--every", every, "rollouts between measurements");
    app.add_option("--beta", beta, "of the policy's training");
    app.add_option("--learning-rate", learning_rate, "of the policy");
    app.add_option("--seed", seed, "of all draws");
  }

  Index pairs = 1000;
  Index passes = 2;
  double reward_learning_rate = 3e-3;
  Index rollouts = 112;
  double beta = 0.005;
  double learning_rate = 1e-4;
  Index every = 4;
  std::uint64_t seed = 1;
};

/// Draws answers to the symbols in turn, `each` of them to a prompt.
struct Draw {
  Index prompts = kSymbols;
  Index each = 64;
  std::uint64_t seed = 1;
};

struct Drawn {
  Answers answers;
  double kl = 0;  // nats from the base
};

Drawn draw(const ModelView& model, const TrainedPolicy& base, const Draw& draw) {
  PolicyConfig policy{.prompts = draw.prompts, .answers = draw.each, .max_tokens = kAnswerLength};
  policy.resolve(ObjectiveKind::grpo);
  Rollouts rollouts(symbol_prompts(), {.policy = policy, .rows = 4096, .seed = draw.seed},
                    [](std::span<const kiln::Episode> episodes, const WhileWaiting&) {
                      return ScoredAnswers{.scores = std::vector<double>(episodes.size()), .parts = {}};
                    });
  rollouts.set_reference(base.view());
  rollouts.prepare(0, model);
  return {{rollouts.episodes().begin(), rollouts.episodes().end()}, rollouts.figures().kl};
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double deviation_of(const std::vector<double>& values) {
  const double mean = mean_of(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

/// What an answer is truly worth. Each symbol is worth a number drawn from N(0, 1), plus half of another one that
/// depends on the symbol before it. An answer should have variety: each use of a symbol after its third costs kRepeat.
/// The sum is shifted and scaled, so that over the base's answers its mean is 0 and the difference of two has a
/// standard deviation of 2.
class GoldReward {
 public:
  GoldReward(std::uint64_t seed, const Answers& of_base) {
    Rng rng(seed, "gold");
    std::array<double, kSymbols> alone{};
    for (double& worth : alone) worth = rng.normal();
    for (auto& row : worth_) {
      for (std::size_t symbol = 0; symbol < row.size(); ++symbol) row[symbol] = alone[symbol] + rng.normal() / 2;
    }
    const std::vector<double> raw = scores(of_base);
    mean_ = mean_of(raw);
    scale_ = std::sqrt(2) / deviation_of(raw);
  }

  std::vector<double> scores(const Answers& answers) const {
    std::vector<double> scores;
    for (const kiln::Episode& answer : answers) scores.push_back(scale_ * (raw(answer) - mean_));
    return scores;
  }

 private:
  static constexpr Index kFree = 3;
  static constexpr double kRepeat = 4;

  double raw(const kiln::Episode& answer) const {
    std::array<Index, kSymbols> uses{};
    auto before = static_cast<TokenId>(answer.prompt);
    double sum = 0;
    for (const TokenId symbol : answer.tokens) {
      sum += worth_[at(before)][at(symbol)];
      if (++uses[at(symbol)] > kFree) sum -= kRepeat;
      before = symbol;
    }
    return sum;
  }

  std::array<std::array<double, kSymbols>, kSymbols> worth_{};  // of a symbol after another
  double mean_ = 0, scale_ = 1;
};

/// Returns the prompt and the answer.
std::vector<TokenId> text_of(const kiln::Episode& answer) {
  std::vector<TokenId> text{static_cast<TokenId>(answer.prompt)};
  text.insert(text.end(), answer.tokens.begin(), answer.tokens.end());
  return text;
}

/// A reward model. Its mean over the base's answers is taken away.
class ProxyReward {
 public:
  ProxyReward(TrainedPolicy trained, const Answers& of_base)
      : trained_(std::move(trained)),
        runner_(trained_.view().make_runner({.rows = kRows, .scored = kRows / (kAnswerLength + 1)})) {
    mean_ = mean_of(scores(of_base));
  }

  std::vector<double> scores(std::span<const kiln::Episode> answers) {
    constexpr std::size_t kOfForward = kRows / (kAnswerLength + 1);
    std::vector<double> scores;
    for (std::size_t first = 0; first < answers.size(); first += kOfForward) {
      TokenRows rows;
      std::vector<Index> ends;
      for (const kiln::Episode& answer : answers.subspan(first, std::min(kOfForward, answers.size() - first))) {
        rows.append(text_of(answer));
        ends.push_back(rows.size() - 1);
      }
      const std::vector<std::int32_t> targets(ends.size(), 0);
      std::vector<float> numbers(ends.size());
      rows.round_up(kRowMultiple);
      runner_->forward(trained_.view().weights, rows);
      runner_->score({ends, targets}, Vec<float>(numbers.data(), std::ssize(numbers)));
      for (const float number : numbers) scores.push_back(static_cast<double>(number) - mean_);
    }
    return scores;
  }

 private:
  static constexpr Index kRows = 4096;

  TrainedPolicy trained_;
  std::unique_ptr<Runner<float>> runner_;
  double mean_ = 0;
};

/// Trains a reward model on judged pairs: answers 2 i and 2 i + 1 have the same prompt.
TrainedPolicy train_reward(const TrainedPolicy& base, const Answers& answers, const GoldReward& gold,
                           const Options& options) {
  constexpr Index kRows = 1024;
  Rng rng(options.seed, "judgements");
  auto preferences = std::make_shared<EncodedPreferences>(PreferenceEncoding{
      .weight_of = WeightOf::comparison, .scored = ScoredRows::last, .n_ctx = kAnswerLength + 1, .rows = kRows});
  const std::vector<double> worth = gold.scores(answers);
  for (std::size_t i = 0; i + 1 < answers.size(); i += 2) {
    if (answers[i].tokens == answers[i + 1].tokens) continue;
    Comparison comparison = compare(0, 1, worth[i], worth[i + 1]);
    if (rng.uniform() >= comparison.probability) std::swap(comparison.chosen, comparison.rejected.front());
    comparison.probability = 1;
    preferences->add({.prompt = {static_cast<TokenId>(answers[i].prompt)},
                      .answers = {answers[i].tokens, answers[i + 1].tokens},
                      .comparisons = {comparison},
                      .census = {},
                      .place = "symbols"});
  }
  TrainedPolicy model = with_head(base, HeadKind::score, options.seed);
  const Index rows = options.passes * std::ssize(answers) * (kAnswerLength + 1);
  train(model, preferences,
        {.objective = {.type = ObjectiveKind::reward, .weight_of = WeightOf::comparison},
         .steps = std::max<Index>(1, rows / kRows),
         .rows = kRows,
         .learning_rate = options.reward_learning_rate,
         .seed = options.seed});
  return model;
}

/// The expected accuracy on pairs that the reward model has not seen, and the best that any model can have.
struct Accuracy {
  double found = 0, ceiling = 0;
};

Accuracy accuracy_of(ProxyReward& proxy, const GoldReward& gold, const Answers& answers) {
  const std::vector<double> scores = proxy.scores(answers), worth = gold.scores(answers);
  Accuracy accuracy;
  const auto pairs = static_cast<double>(answers.size() / 2);
  for (std::size_t i = 0; i + 1 < answers.size(); i += 2) {
    const double p = 1 / (1 + std::exp(worth[i + 1] - worth[i]));  // that the first one is judged to be better
    accuracy.found += (scores[i] > scores[i + 1] ? p : 1 - p) / pairs;
    accuracy.ceiling += std::max(p, 1 - p) / pairs;
  }
  return accuracy;
}

/// What a policy's answers score.
struct Measured {
  Index rollout = 0;
  double kl = 0, proxy = 0, gold = 0;
  double distance() const { return std::sqrt(std::max(0.0, kl)); }
};

/// gold = d (alpha - beta log d), for d the square root of the divergence.
struct Fit {
  double alpha = 0, beta = 0;
  double determined = 0;  // R^2

  double at(double d) const { return d > 0 ? d * (alpha - beta * std::log(d)) : 0; }
};

/// Fits by least squares.
Fit fit(const std::vector<Measured>& points) {
  double aa = 0, ab = 0, bb = 0, ay = 0, by = 0, mean = 0;
  for (const Measured& point : points) {
    const double d = point.distance(), a = d, b = d > 0 ? -d * std::log(d) : 0;
    aa += a * a, ab += a * b, bb += b * b, ay += a * point.gold, by += b * point.gold;
    mean += point.gold / static_cast<double>(points.size());
  }
  const double determinant = aa * bb - ab * ab;
  Fit fit{.alpha = (ay * bb - by * ab) / determinant, .beta = (by * aa - ay * ab) / determinant};
  double left = 0, all = 0;
  for (const Measured& point : points) {
    left += std::pow(point.gold - fit.at(point.distance()), 2);
    all += std::pow(point.gold - mean, 2);
  }
  fit.determined = 1 - left / all;
  return fit;
}

struct Study {
  Accuracy accuracy;
  std::vector<Measured> course;
  Fit fitted;
  double seconds = 0;
};

/// Draws answers of a policy that are not part of its training, and scores them.
Measured measure(const ModelView& policy, const TrainedPolicy& base, ProxyReward& proxy, const GoldReward& gold,
                 Index rollout) {
  const Drawn drawn = draw(policy, base, {.seed = 10'000 + static_cast<std::uint64_t>(rollout)});
  return {rollout, drawn.kl, mean_of(proxy.scores(drawn.answers)), mean_of(gold.scores(drawn.answers))};
}

Study tune(const Options& options) {
  const Stopwatch stopwatch;
  const TrainedPolicy base = learn_symbols(SymbolChain(1), 2, 64, {.steps = 200, .rows = 1024, .learning_rate = 5e-3});
  const Answers of_base = draw(base.view(), base, {.each = 256, .seed = 1000}).answers;
  const GoldReward gold(1, of_base);
  const Answers to_judge =
      draw(base.view(), base, {.prompts = options.pairs, .each = 2, .seed = 2000 + options.seed}).answers;
  ProxyReward proxy(train_reward(base, to_judge, gold, options), of_base);
  Study study;
  study.accuracy = accuracy_of(proxy, gold, of_base);
  fmt::print(stderr, "the reward model is right on {:.1f}% of unseen pairs (ceiling {:.1f}%), deviation {:.2f}\n",
             100 * study.accuracy.found, 100 * study.accuracy.ceiling, deviation_of(proxy.scores(of_base)));
  const ScoreEpisodes score = [&](std::span<const kiln::Episode> episodes, const WhileWaiting&) {
    return ScoredAnswers{.scores = proxy.scores(episodes), .parts = {}};
  };
  const auto follow = [&](const ModelView& policy, Index rollout) {
    study.course.push_back(measure(policy, base, proxy, gold, rollout));
    const Measured& now = study.course.back();
    fmt::print(stderr, "rollout {}: {:.3f} nats, proxy {:.3f}, gold {:.3f}\n", rollout, now.kl, now.proxy, now.gold);
  };
  Index rollout = 0;
  const TrainedPolicy tuned =
      tune_by_rollouts(base, symbol_prompts(), score,
                       {.type = ObjectiveKind::rloo,
                        .beta = options.beta,
                        .policy = {.prompts = kSymbols, .answers = 16, .max_tokens = kAnswerLength},
                        .rollouts = options.rollouts,
                        .rows = 16 * kSymbols * kAnswerLength,
                        .learning_rate = options.learning_rate,
                        .schedule = ScheduleKind::constant,
                        .seed = options.seed,
                        .on_rollout = [&](const Rollouts&, const ModelView& policy) {
                          if (rollout % options.every == 0) follow(policy, rollout);
                          ++rollout;
                        }});
  follow(tuned.view(), rollout);
  const Measured start = study.course.front();
  for (Measured& point : study.course) {
    point.proxy -= start.proxy;
    point.gold -= start.gold;
  }
  study.fitted = fit(study.course);
  study.seconds = stopwatch.seconds();
  return study;
}

Figure figure_of(const Study& study, const Options& options) {
  std::vector<Measured> course = study.course;
  std::ranges::sort(course, {}, &Measured::kl);
  Series proxy{.name = "reward model", .points = {}, .stroke = Stroke::markers, .color = 0};
  Series gold{.name = "gold", .points = {}, .stroke = Stroke::markers, .color = 1};
  for (const Measured& point : course) {
    proxy.points.push_back({point.distance(), point.proxy});
    gold.points.push_back({point.distance(), point.gold});
  }
  Series line{.name = fmt::format("d ({:.2f} - {:.2f} log d), R^2 {:.3f}", study.fitted.alpha, study.fitted.beta,
                                  study.fitted.determined),
              .points = {},
              .color = 2};
  for (int i = 0; i <= 100; ++i) {
    const double d = course.back().distance() * i / 100;
    line.points.push_back({d, study.fitted.at(d)});
  }
  return {.title = "Over-optimisation of a reward model",
          .subtitle = fmt::format("{} judged pairs", options.pairs),
          .x_label = "d: square root of KL from the base, in nats",
          .y_label = "mean reward, less the base's",
          .series = {proxy, gold, line},
          .notes = {},
          .x_is_count = false};
}

const Measured& peak_of(const Study& study) { return *std::ranges::max_element(study.course, {}, &Measured::gold); }

void print_tables(const Study& study, const Options& options) {
  fmt::print("{} judged pairs; right on {:.1f}% of unseen pairs (ceiling {:.1f}%); {:.0f} s\n", options.pairs,
             100 * study.accuracy.found, 100 * study.accuracy.ceiling, study.seconds);
  fmt::print("\n| rollouts | KL, nats | reward model | gold | fit |\n|--:|--:|--:|--:|--:|\n");
  for (const Measured& point : study.course) {
    fmt::print("| {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} |\n", point.rollout, point.kl, point.proxy, point.gold,
               study.fitted.at(point.distance()));
  }
  const Measured& peak = peak_of(study);
  fmt::print("\nalpha {:.3f}, beta {:.3f}, R^2 {:.3f}; gold's peak {:.2f} at {:.2f} nats, in the end {:.2f}\n",
             study.fitted.alpha, study.fitted.beta, study.fitted.determined, peak.gold, peak.kl,
             study.course.back().gold);
}

void print_json(const Study& study, const Options& options) {
  Json json{{"pairs", options.pairs},      {"accuracy", study.accuracy.found}, {"ceiling", study.accuracy.ceiling},
            {"alpha", study.fitted.alpha}, {"beta", study.fitted.beta},        {"r_squared", study.fitted.determined},
            {"seconds", study.seconds},    {"course", Json::array()}};
  for (const Measured& point : study.course) {
    json["course"].push_back(
        {{"rollouts", point.rollout}, {"kl", point.kl}, {"proxy", point.proxy}, {"gold", point.gold}});
  }
  fmt::print("{}\n", json.dump(2));
}

/// Returns true if gold has risen and fallen again, while the proxy has risen.
bool run(const Options& options) {
  const Study study = tune(options);
  if (options.svg) write_file_atomically(*options.svg, to_picture(figure_of(study, options), *options.svg));
  options.json ? print_json(study, options) : print_tables(study, options);
  const Measured &peak = peak_of(study), &end = study.course.back();
  constexpr double kLeastFall = 0.25;  // of what gold has risen
  const bool shows = peak.gold > 0 && end.gold < (1 - kLeastFall) * peak.gold && end.proxy > peak.proxy;
  if (!shows) fmt::print(stderr, "the gold reward does not fall from its peak while the proxy rises\n");
  return shows;
}

}  // namespace
}  // namespace kiln::testing

int main(int count, char** arguments) { return kiln::testing::run_study(count, arguments, kiln::testing::run); }
