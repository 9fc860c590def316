// Tunes small models by policy gradients at the library's level.
#pragma once

#include "kiln/train/train_step.h"

#include "support/policy_training.h"
#include "train/rollouts.h"
#include <functional>
#include <utility>
#include <vector>

namespace kiln::testing {

/// How a policy is tuned by rollouts.
struct PolicyCourse {
  ObjectiveKind type = ObjectiveKind::grpo;
  double beta = 0.1;
  PolicyConfig policy = {};
  Index rollouts = 100;
  Index rows = 1024;  // of a micro-batch, at most
  double learning_rate = 1e-3;
  ScheduleKind schedule = ScheduleKind::cosine;
  std::uint64_t seed = 1;
  std::vector<TokenId> end_tokens = {};
  EndsAnswer ends = {};
  std::function<void(const Rollouts&, const ModelView& policy)> on_rollout = {};  // before the policy learns from it
};

/// Returns a model with a base's trunk and another head; what the base has no weights for is drawn.
inline TrainedPolicy with_head(const TrainedPolicy& base, HeadKind head, std::uint64_t seed = 0) {
  ModelConfig config = base.model->config();
  config.head = head;
  TrainedPolicy other(std::make_shared<const LanguageModel<float>>(config, base.model->vocab_size()), seed);
  for (const Parameter& p : other.model->layout.parameters()) {
    if (p.role == Role::score) continue;
    other.weights->vec(p.id) = base.weights->vec(base.model->layout.find(p.key));
  }
  return other;
}

/// Returns a policy that begins as the base and learns from the scores of its own answers, with the base as its
/// reference.
inline TrainedPolicy tune_by_rollouts(const TrainedPolicy& base, std::vector<Prompt> prompts,
                                      const ScoreEpisodes& score, PolicyCourse course) {
  course.policy.resolve(course.type);
  Config config;
  config.seed = course.seed;
  config.objective = {.type = course.type, .beta = course.beta};
  config.policy = course.policy;
  config.optimizer.learning_rate = course.learning_rate;
  config.optimizer.weight_decay = 0;
  config.schedule.type = course.schedule;
  config.schedule.warmup_steps = std::min<Index>(20, course.rollouts / 10);
  config.schedule.min_ratio = 0;
  const bool has_values = course.policy.baseline == Baseline::value;
  TrainedPolicy policy = with_head(base, has_values ? HeadKind::next_token_and_value : HeadKind::next_token);
  config.model = policy.model->config();
  Rollouts rollouts(std::move(prompts),
                    {.policy = course.policy,
                     .kl_weight = course.beta,
                     .rows = course.rows,
                     .end_tokens = course.end_tokens,
                     .ends = course.ends,
                     .seed = course.seed},
                    score);
  const ModelView reference = base.view();
  rollouts.set_reference(reference);
  const Index rows = rounded_up_rows(course.rows);
  TrainStep step(config, policy.model->layout, policy.model->vocab_size(),
                 {.rows = rows, .scored = rows, .backward = Recompute::none});
  const Index steps = course.rollouts * *course.policy.passes * course.policy.minibatches;
  StepPosition position{.total_steps = static_cast<double>(steps)};
  for (; position.step < steps; ++position.step) {
    rollouts.prepare(position.examples_drawn, policy.view());
    if (course.on_rollout && rollouts.begins_rollout(position.examples_drawn)) {
      course.on_rollout(rollouts, policy.view());
    }
    const StepResult result = step.run(Weights(*policy.weights), rollouts, position);
    position.examples_drawn += result.examples;
    position.updates += result.applied ? 1 : 0;
  }
  return policy;
}

/// The same, where each answer is scored by itself.
inline TrainedPolicy tune_by_rollouts(const TrainedPolicy& base, std::vector<Prompt> prompts,
                                      const std::function<double(const kiln::Episode&)>& score,
                                      const PolicyCourse& course) {
  const ScoreEpisodes score_all = [&](std::span<const kiln::Episode> episodes, const WhileWaiting&) {
    ScoredAnswers scored;
    for (const kiln::Episode& episode : episodes) scored.scores.push_back(score(episode));
    return scored;
  };
  return tune_by_rollouts(base, std::move(prompts), score_all, course);
}

}  // namespace kiln::testing
