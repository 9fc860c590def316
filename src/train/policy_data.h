// Holds what tuning by policy gradients reads: prompts, and what scores their answers.
#pragma once

#include "kiln/data/prompts.h"

#include "train/answer_scoring.h"
#include "train/rewards.h"
#include "train/rollouts.h"
#include <memory>
#include <optional>
#include <vector>

namespace kiln {

/// Prompts as conversations and as tokens.
struct EncodedPrompts {
  std::vector<ChatPrompt> prompts;
  std::vector<Prompt> tokens;
  Index too_long = 0;  // prompts left out, since they leave no room for an answer
  Index count = 0;     // tokens in all
};

/// The parts of a run's rollouts that depend on no model that learns.
struct PolicyData {
  EncodedPrompts train, held_out;
  std::unique_ptr<Rewards> rewards, gold;  // gold: null if the config names none
  std::optional<AnswerScoring> scoring;    // of the training prompts
};

/// The held-out prompts as a source of batches, which the evaluator of policies takes for their number alone.
class HeldOutPrompts final : public EvaluationSource {
 public:
  explicit HeldOutPrompts(const EncodedPrompts& prompts, Index max_tokens);
  Index size() const override { return std::ssize(prompts_); }
  void fill(Index i, Batch& batch) const override;
  Index tokens() const override { return tokens_; }
  std::string name() const override { return "the held-out prompts"; }

 private:
  std::vector<Prompt> prompts_;
  Index tokens_;
};

}  // namespace kiln
