// Draws one rollout of all held-out prompts.
#include "train/policy_evaluator.h"

#include "kiln/core/intervals.h"
#include "kiln/core/stopwatch.h"

#include <cmath>
#include <span>
#include <utility>

namespace kiln {
namespace {

/// Returns the options of a rollout that takes each prompt once.
RolloutOptions one_answer_each(RolloutOptions options, Index prompts) {
  options.policy.prompts = prompts;
  options.policy.answers = options.policy.minibatches = 1;
  options.policy.passes = 1;
  options.policy.baseline = Baseline::group_mean;
  options.policy.scale = AdvantageScale::none;
  options.policy.kl_target.reset();
  options.policy.value_warmup = 0;
  options.order = DataOrder::sequential;
  return options;
}

}  // namespace

PolicyEvaluator::PolicyEvaluator(const ModelConfig& config, Index vocab_size, Precision precision, PolicyData& data,
                                 const Tokenizer& tokenizer, RolloutOptions options, std::optional<ModelView> reference)
    : config_(config),
      vocab_size_(vocab_size),
      precision_(precision),
      data_(data),
      rewards_(data.held_out.prompts, tokenizer, *data.rewards),
      options_(one_answer_each(std::move(options), std::ssize(data.held_out.tokens))),
      reference_(reference) {
  if (data.gold) gold_.emplace(data.held_out.prompts, tokenizer, *data.gold);
}

Evaluation PolicyEvaluator::evaluate(Weights weights, const EvaluationSource& source, const Progress& progress) {
  const Stopwatch stopwatch;
  std::vector<double> judged;  // by gold, or else by the rewards
  Evaluation result;
  const auto score = [&](std::span<const Episode> episodes, const WhileWaiting& while_waiting) {
    ScoredAnswers scored = rewards_.score(episodes, while_waiting);
    judged = gold_ ? gold_->score(episodes, while_waiting).scores : scored.scores;
    return scored;
  };
  Rollouts rollouts(data_.held_out.tokens, options_, score);
  if (reference_) rollouts.set_reference(*reference_);
  const auto whole = static_cast<double>(source.tokens());
  double drawn = 0;
  World& world = *options_.world;
  const auto show = [&] {  // ranks draw other numbers of tokens, and cannot stop together within a rollout
    if (progress && world.size() == 1) progress(std::min(1.0, drawn / whole));
  };
  const auto show_token = [&] {
    ++drawn;
    show();
  };
  rollouts.prepare(0, ModelView(config_, vocab_size_, precision_, weights), {.on_token = show_token, .between = show});
  const RolloutFigures& figures = rollouts.figures();
  double sum = 0, squares = 0;
  const auto n = static_cast<double>(judged.size());
  for (const double one : judged) sum += one;
  for (const double one : judged) squares += std::pow(one - sum / n, 2);
  result.loss = -sum / n;
  if (judged.size() > 1) result.margin = kNormalQuantile * std::sqrt(squares / (n - 1) / n);
  result.accuracy = NAN;
  result.reward = figures.reward;
  if (gold_) result.gold = sum / n;
  if (reference_) result.kl = figures.kl_k3;
  result.tokens = static_cast<Index>(figures.mean_length * n);
  result.seconds = stopwatch.seconds();
  return result;
}

}  // namespace kiln
