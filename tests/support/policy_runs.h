// Runs of policy gradients that take a moment.
#pragma once

#include "kiln/run/config.h"

#include <fmt/format.h>

#include "support/chat_runs.h"
#include <string>

namespace kiln::testing {

/// Returns the config of a tuning towards answers with a letter from a to d, of the model of letters_config.
inline Config policy_config(const Scratch& scratch, ObjectiveKind kind) {
  Config config = config_of_tuning(scratch);
  std::string prompts;
  for (int i = 0; i < 24; ++i) prompts += fmt::format("say {}\n", static_cast<char>('a' + i % 8));
  config.data.train = {scratch.write("prompts.txt", prompts)};
  config.objective.type = kind;
  config.objective.beta = 0.02;
  config.policy.rewards = {{.type = RewardKind::regex, .pattern = "^[a-d]"},
                           {.type = RewardKind::unfinished, .weight = -0.5}};
  config.policy.prompts = 8;
  config.policy.answers = 4;
  config.policy.max_tokens = 6;
  if (kind == ObjectiveKind::ppo) config.policy.minibatches = 2;
  config.policy.resolve(kind);
  if (config.policy.baseline == Baseline::value) config.model.head = HeadKind::next_token_and_value;
  config.train.steps = 24;
  config.train.eval_every = 8;
  config.train.checkpoint_every = 8;
  config.train.log_every = 1;
  config.optimizer.learning_rate = 3e-3;
  return config;
}

}  // namespace kiln::testing
