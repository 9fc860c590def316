// Answers prompts with the best of several answers, as a reward model scores them (kiln sample --best-of).
#pragma once

#include "kiln/infer/complete.h"

#include "cli/arguments.h"
#include <string>
#include <vector>

namespace kiln::cli {

struct BestOfOptions {
  Index count = 0;     // answers to each prompt; 0: not asked for
  std::string reward;  // the reward model
};

/// Draws `count` answers to each prompt, which is what a user says, and writes the one with the highest score. Throws
/// Error (usage) for a model that is not the kind expected, and as complete does.
void sample_best_of(const ModelArguments& model, const std::vector<std::string>& prompts, CompletionOptions completion,
                    const BestOfOptions& options, bool json);

}  // namespace kiln::cli
