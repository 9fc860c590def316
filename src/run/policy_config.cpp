// Holds the presets of policy gradients, and checks which settings go together.
#include "kiln/run/policy_config.h"

#include "kiln/core/format.h"

#include <fmt/format.h>

namespace kiln {
namespace {

/// What an objective's name stands for.
struct Preset {
  ObjectiveKind type;
  Baseline baseline;
  AdvantageScale scale;
  std::optional<double> clip;  // null: none
  std::int64_t passes;
};

constexpr std::array<Preset, 4> kPresets{{
    {ObjectiveKind::grpo, Baseline::group_mean, AdvantageScale::group, 0.2, 1},
    {ObjectiveKind::rloo, Baseline::leave_one_out, AdvantageScale::none, 0.2, 1},
    {ObjectiveKind::reinforce, Baseline::group_mean, AdvantageScale::none, std::nullopt, 1},
    {ObjectiveKind::ppo, Baseline::value, AdvantageScale::batch, 0.2, 4},
}};

}  // namespace

void PolicyConfig::resolve(ObjectiveKind type) {
  for (const Preset& preset : kPresets) {
    if (preset.type != type) continue;
    if (baseline == Baseline::preset) baseline = preset.baseline;
    if (scale == AdvantageScale::preset) scale = preset.scale;
    if (!clip_low) clip_low = preset.clip;
    if (!clip_high) clip_high = clip_low;
    if (!passes) passes = preset.passes;
  }
}

void PolicyConfig::validate(ObjectiveKind type, Problems& problems, const std::string& pointer) const {
  validate_rewards(rewards, problems, pointer + "/rewards");
  validate_rewards(gold, problems, pointer + "/gold");
  if (!is_of_policy(type)) return;
  PolicyConfig settled = *this;
  settled.resolve(type);
  if (rewards.empty()) {
    problems.add(pointer + "/rewards", "is empty; name what scores an answer, such as [{{\"type\": \"exact\"}}]");
  }
  if (minibatches > 0 && episodes() % minibatches != 0) {
    problems.add(pointer + "/minibatches", "{} does not divide the {} of a rollout ({} times {})", minibatches,
                 counted(episodes(), "answer"), counted(prompts, "prompt"), answers);
  }
  if (answers == 1 && (settled.baseline != Baseline::value || settled.scale == AdvantageScale::group)) {
    problems.add(pointer + "/answers", "is 1, and there is no other answer to compare it with; draw at least 2");
  }
  if (settled.baseline == Baseline::value && settled.scale == AdvantageScale::group) {
    problems.add(pointer + "/scale",
                 "\"group\" is for baselines of groups; the value head's goes with \"batch\" or \"none\"");
  }
  if (settled.baseline != Baseline::value) {
    const PolicyConfig usual;
    const auto refuse = [&](bool is_set, const char* key) {
      if (is_set) problems.add(fmt::format("{}/{}", pointer, key), "is for the baseline value, which has a value head");
    };
    refuse(gamma != usual.gamma, "gamma");
    refuse(gae_lambda != usual.gae_lambda, "gae_lambda");
    refuse(value_weight != usual.value_weight, "value_weight");
    refuse(value_clip != usual.value_clip, "value_clip");
    refuse(value_warmup != usual.value_warmup, "value_warmup");
  }
  if (kl_target && kl != KlPlace::k1_in_reward) problems.add(pointer + "/kl_target", "is for kl \"k1_in_reward\"");
}

}  // namespace kiln
