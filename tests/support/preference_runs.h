// Runs on judged answers that take a moment.
#pragma once

#include "kiln/run/config.h"

#include <fmt/format.h>

#include "support/chat_runs.h"
#include <string>

namespace kiln::testing {

/// Pairs in which an answer from a to d is better than one from e to h.
inline std::string judged_pairs() {
  std::string lines;
  for (int i = 0; i < 64; ++i) {
    const char better = static_cast<char>('a' + i % 4), worse = static_cast<char>('e' + i / 4 % 4);
    lines += fmt::format(R"({{"prompt":"say {}","chosen":"{}","rejected":"{}"}})"
                         "\n",
                         i, better, worse);
  }
  return lines;
}

/// Returns the config of a tuning by such pairs, of the model of letters_config.
inline Config tuning_config(const Scratch& scratch, ObjectiveKind kind) {
  Config config = config_of_tuning(scratch, 40);
  config.data.train = {scratch.write("pairs.jsonl", judged_pairs())};
  config.objective.type = kind;
  config.train.steps = 60;
  config.train.eval_every = 20;
  config.train.checkpoint_every = 20;
  config.optimizer.learning_rate = 6e-3;
  if (kind == ObjectiveKind::reward) config.model.head = HeadKind::score;
  return config;
}

}  // namespace kiln::testing
