// Runs one backward, then two forwards for every sampled entry.
#include "kiln/train/gradient_check.h"

#include "kiln/core/report.h"
#include "kiln/core/rng.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"
#include "kiln/train/objective.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace kiln {
namespace {

constexpr Index kFewRows = 4;        // adds rows of no sequence after the last one
constexpr Index kUnscoredEvery = 5;  // one row in so many is not scored
constexpr Index kTurn = 2;           // rows of a question or an answer

/// A model in double with one random batch: sequences of unequal lengths in one forward, some rows not scored, the
/// others with different weights. The loss is a function of the weights.
class Subject {
 public:
  Subject(const ModelConfig& config, Index vocab_size, const GradientCheckOptions& options)
      : model_(config, vocab_size),
        weights_(model_.layout),
        gradients_(model_.layout),
        step_{.training = true, .seed = options.seed},
        objective_(make_objective(options.objective, options.policy)) {
    initialise(config, options.seed, weights_);
    disturb(options.seed);
    draw_batch(options);
    runner_ = make_runner<double>(
        config, vocab_size,
        {.rows = batch_.rows.size(), .scored = std::ssize(batch_.scored), .backward = options.recompute});
    batch_runner_.emplace(*runner_, *objective_);
  }

  double loss() { return batch_runner_->loss(weights_, batch_, step_); }
  void compute_gradients() { batch_runner_->backward(weights_, batch_, step_, gradients_); }

  const ParameterLayout& layout() const { return model_.layout; }
  double& weight(ParameterId id, Index entry) { return weights_.vec(id)[entry]; }
  double gradient(ParameterId id, Index entry) { return gradients_.vec(id)[entry]; }

 private:
  void draw_batch(const GradientCheckOptions& options) {
    Rng rng(options.seed, "gradient check/tokens");
    const auto draw = [&] {
      return static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(model_.vocab_size())));
    };
    const Index longest = std::min(options.sequence_length, model_.config().n_ctx);
    for (Index b = 0; b < options.batch_size; ++b) {
      const SequencePlace place{.number = static_cast<std::uint64_t>(b)};
      const Index length = std::max<Index>(1, longest - 3 * b);
      for (std::int32_t& token : batch_.rows.append(length, place)) token = draw();
      for (Index t = 0; t < length; ++t) {
        const Index n = batch_.rows.size() - length + t;
        if (is_scored(options.objective.type, n, t, length)) batch_.scored.push_back(n);
      }
    }
    const auto used = static_cast<double>(batch_.rows.size());
    batch_.rows.round_up(kFewRows);
    for (std::size_t m = 0; m < batch_.scored.size(); ++m) {
      batch_.targets.push_back(draw());
      const bool is_weighted = options.objective.type == ObjectiveKind::next_token;
      batch_.weights.push_back(static_cast<float>((is_weighted ? 0.5 + rng.uniform() : 1.0) / used));
    }
    if (is_of_preferences(options.objective.type)) judge(options.objective, rng);
    if (is_of_policy(options.objective.type)) invent_rollout(options, rng);
  }

  /// Returns true if row n of the batch, row t of a sequence of this length, is scored.
  static bool is_scored(ObjectiveKind objective, Index n, Index t, Index length) {
    switch (objective) {
      case ObjectiveKind::next_token:
        return n % kUnscoredEvery != kUnscoredEvery - 1;
      case ObjectiveKind::sft:
        return t / kTurn % 2 == 1 || t + 1 == length;
      case ObjectiveKind::dpo:
      case ObjectiveKind::ipo:
      case ObjectiveKind::grpo:
      case ObjectiveKind::rloo:
      case ObjectiveKind::reinforce:
      case ObjectiveKind::ppo:
        return t > 0 || length == 1;
      case ObjectiveKind::reward:
        return t + 1 == length;
    }
    return false;
  }

  /// Compares each sequence with the next one, and, for whole rankings, the first with all others.
  void judge(const ObjectiveConfig& objective, Rng& rng) {
    const Index answers = std::ssize(batch_.rows.sequences);
    for (Index i = 0; i < answers; ++i) batch_.reference.push_back(-3 - rng.uniform());
    for (Index i = 0; i + 1 < answers; ++i) {
      const bool has_margin = objective.type != ObjectiveKind::ipo;
      batch_.comparisons.push_back({.chosen = i,
                                    .rejected = {i + 1},
                                    .weight = 0.5 + rng.uniform(),
                                    .probability = 0.5 + rng.uniform() / 2,
                                    .margin = has_margin ? rng.uniform() : 0});
    }
    if (objective.ranking != Ranking::plackett_luce) return;
    Comparison& first = batch_.comparisons.front();
    first.probability = 1;
    for (Index i = 2; i < answers; ++i) first.rejected.push_back(i);
  }

  /// Gives the scored tokens a past: as if a policy had drawn them.
  void invent_rollout(const GradientCheckOptions& options, Rng& rng) {
    DrawnRows& drawn = batch_.drawn;
    drawn.kl_weight = options.objective.beta;
    batch_.temperature = options.policy.temperature;
    for (std::size_t m = 0; m < batch_.scored.size(); ++m) {
      drawn.behaviour.push_back(-3 - rng.uniform());
      drawn.advantages.push_back(rng.normal());
      if (options.policy.kl != KlPlace::k1_in_reward) drawn.reference.push_back(-3 - rng.uniform());
      if (options.policy.baseline != Baseline::value) continue;
      drawn.values.push_back(rng.normal());
      drawn.returns.push_back(rng.normal());
    }
  }

  /// Perturbs every weight: tiny weights, zero biases and gains of exactly 1 would hide errors.
  void disturb(std::uint64_t seed) {
    constexpr double kScale = 0.2;
    for (const Parameter& p : layout().parameters()) {
      Rng rng(seed, "gradient check/" + p.name);
      for (double& w : weights_.vec(p.id)) w += kScale * rng.normal();
    }
  }

  LanguageModel<double> model_;
  ParameterBuffer<double> weights_;
  Gradients<double> gradients_;
  StepContext step_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Runner<double>> runner_;
  std::optional<BatchRunner<double>> batch_runner_;
  Batch batch_;
};

std::vector<Index> sample_entries(const Parameter& p, const GradientCheckOptions& options) {
  std::vector<Index> entries;
  if (p.size() <= options.entries_per_tensor) {
    for (Index i = 0; i < p.size(); ++i) entries.push_back(i);
    return entries;
  }
  Rng rng(options.seed, "gradient check/entries of " + p.name);
  while (static_cast<Index>(entries.size()) < options.entries_per_tensor) {
    const auto entry = static_cast<Index>(rng.below(static_cast<std::uint64_t>(p.size())));
    if (std::find(entries.begin(), entries.end(), entry) == entries.end()) entries.push_back(entry);
  }
  return entries;
}

TensorGradientCheck check_tensor(Subject& subject, ParameterId id, const GradientCheckOptions& options) {
  const Parameter& p = subject.layout()[id];
  TensorGradientCheck check{.name = p.name};
  for (const Index entry : sample_entries(p, options)) {
    double& weight = subject.weight(id, entry);
    const double original = weight;
    weight = original + options.step;
    const double above = subject.loss();
    weight = original - options.step;
    const double below = subject.loss();
    weight = original;
    const double numeric = (above - below) / (2 * options.step), analytic = subject.gradient(id, entry);
    Work::advance(1);
    check.add(analytic, numeric, options);
  }
  return check;
}

}  // namespace

void TensorGradientCheck::add(double entry_analytic, double entry_numeric, const GradientCheckOptions& options) {
  const double size = std::max({std::abs(entry_numeric), std::abs(entry_analytic), options.floor});
  const double entry_error = std::abs(entry_analytic - entry_numeric) / size;
  if (entries++ > 0 && (std::isnan(error) || entry_error <= error)) return;
  error = entry_error;
  analytic = entry_analytic;
  numeric = entry_numeric;
  passed = error <= options.tolerance;
}

std::vector<TensorGradientCheck> check_gradients(const ModelConfig& config, Index vocab_size,
                                                 const GradientCheckOptions& options) {
  Subject subject(config, vocab_size, options);
  subject.compute_gradients();
  Index entries = 0;
  for (const Parameter& p : subject.layout().parameters()) entries += std::min(p.size(), options.entries_per_tensor);
  const Work work("checking", static_cast<double>(entries), "entries");
  std::vector<TensorGradientCheck> checks;
  for (const Parameter& p : subject.layout().parameters()) checks.push_back(check_tensor(subject, p.id, options));
  return checks;
}

}  // namespace kiln
