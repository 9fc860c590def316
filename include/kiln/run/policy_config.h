// Configures tuning by policy gradients: how answers are drawn and scored, and how the model learns from the scores.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/run/objective_config.h"
#include "kiln/run/reward_config.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace kiln {

/// What a token's return, the sum of the rewards from it on, is compared with: the mean of its group (the answers to
/// its prompt), the mean of the group's other answers (RLOO, arXiv:2402.14740), or a value head's estimate (GAE,
/// arXiv:1506.02438).
enum class Baseline { preset, group_mean, leave_one_out, value };
inline constexpr std::array<std::string_view, 4> kBaselines{"preset", "group_mean", "leave_one_out", "value"};
inline std::span<const std::string_view> names_of(Baseline) { return kBaselines; }

/// What advantages are divided by: the standard deviation of the group's returns, that of the whole rollout, or
/// nothing.
enum class AdvantageScale { preset, none, group, batch };
inline constexpr std::array<std::string_view, 4> kAdvantageScales{"preset", "none", "group", "batch"};
inline std::span<const std::string_view> names_of(AdvantageScale) { return kAdvantageScales; }

/// What the loss of a step is divided by: its tokens (DAPO, arXiv:2503.14476); first each answer's by its tokens, then
/// the sum by the answers (GRPO, arXiv:2402.03300); or its answers times max_tokens (Dr. GRPO, arXiv:2503.20783).
enum class LossType { dapo, grpo, dr_grpo };
inline constexpr std::array<std::string_view, 3> kLossTypes{"dapo", "grpo", "dr_grpo"};
inline std::span<const std::string_view> names_of(LossType) { return kLossTypes; }

/// Where the divergence from the reference comes in. With d = log p - log p of the reference, of a drawn token:
/// k1_in_reward takes beta d from the token's reward; k2_in_loss adds beta d^2 / 2 to its loss, k3_in_loss adds
/// beta (exp(-d) - 1 + d).
enum class KlPlace { k1_in_reward, k2_in_loss, k3_in_loss };
inline constexpr std::array<std::string_view, 3> kKlPlaces{"k1_in_reward", "k2_in_loss", "k3_in_loss"};
inline std::span<const std::string_view> names_of(KlPlace) { return kKlPlaces; }

struct PolicyConfig {
  std::vector<RewardConfig> rewards = {};
  std::vector<RewardConfig> gold = {};
  std::int64_t prompts = 16;
  std::int64_t answers = 8;
  std::int64_t max_tokens = 128;
  double temperature = 1;
  std::int64_t minibatches = 1;
  std::optional<std::int64_t> passes = std::nullopt;
  Baseline baseline = Baseline::preset;
  AdvantageScale scale = AdvantageScale::preset;
  LossType loss_type = LossType::dapo;
  KlPlace kl = KlPlace::k1_in_reward;
  std::optional<double> kl_target = std::nullopt;
  double kl_horizon = 10000;
  std::optional<double> kl_limit = std::nullopt;
  std::optional<double> clip_low = std::nullopt;
  std::optional<double> clip_high = std::nullopt;
  double gamma = 1;
  double gae_lambda = 0.95;
  double value_weight = 0.1;
  double value_clip = 0.2;
  std::int64_t value_warmup = 0;

  /// Returns the answers of a rollout.
  std::int64_t episodes() const { return prompts * answers; }

  /// Replaces what is left to the preset. Does nothing for an objective that is no policy gradient.
  void resolve(ObjectiveKind type);

  /// Adds a problem for each field that does not fit the others, of a policy gradient.
  void validate(ObjectiveKind type, Problems& problems, const std::string& pointer) const;

  template <class V>
  void visit(V& v) {
    v("rewards", rewards, "what scores an answer: the sum of these, each times its weight");
    v("gold", gold,
      "rewards that training does not see: measured on the held-out prompts to tell over-optimisation, and what the "
      "best checkpoint is chosen by");
    v("prompts", prompts, "prompts of a rollout", at_least(1));
    v("answers", answers, "answers drawn to each prompt of a rollout, its group", at_least(1));
    v("max_tokens", max_tokens, "tokens of an answer, at most", at_least(1));
    v("temperature", temperature, "divides the logits, when answers are drawn and when the model learns", positive());
    v("minibatches", minibatches, "parts that a rollout is split into, each for one optimizer step", at_least(1));
    v("passes", passes, "passes over a rollout; null: 4 for ppo, else 1", at_least(1));
    v("baseline", baseline,
      "what returns are compared with; group_mean: the mean of the prompt's answers; leave_one_out: the mean of its "
      "other answers; value: a value head's estimate; preset: group_mean for grpo and reinforce, leave_one_out for "
      "rloo, value for ppo");
    v("scale", scale,
      "what advantages are divided by; group: the deviation of the prompt's returns; batch: that of the whole rollout, "
      "with baseline value after taking away the mean; none; preset: group for grpo, batch for ppo, else none");
    v("loss_type", loss_type,
      "what the loss is divided by; dapo: the tokens of the step; grpo: each answer's by its tokens, then by the "
      "answers; dr_grpo: the answers times max_tokens");
    v("kl", kl,
      "where beta times the divergence from the reference comes in; k1_in_reward: from each token's reward, the "
      "gradient of the whole answer's divergence; k2_in_loss, k3_in_loss: in the loss, token by token");
    v("kl_target", kl_target, "nats per answer that beta is adapted to; null: beta stays as it is", positive());
    v("kl_horizon", kl_horizon, "answers over which an adapted beta changes by a fifth, at most", positive());
    v("kl_limit", kl_limit,
      "nats per token between the drawing and the learning model beyond which the rest of a rollout is left out; null: "
      "no limit",
      positive());
    v("clip_low", clip_low,
      "how far a token's probability ratio counts below 1; null: no limit for reinforce, else 0.2", positive());
    v("clip_high", clip_high, "how far it counts above 1; null: as clip_low", positive());
    v("gamma", gamma, "discount of later rewards, with baseline value", between(0, 1));
    v("gae_lambda", gae_lambda, "weight of later value estimates (GAE), with baseline value", between(0, 1));
    v("value_weight", value_weight, "weight of the value head's loss", positive());
    v("value_clip", value_clip, "how far a value moves from the rollout's within its passes", positive());
    v("value_warmup", value_warmup, "rollouts at the start in which the value head alone learns", non_negative());
  }
};

}  // namespace kiln
