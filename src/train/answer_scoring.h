// Scores the answers of rollouts by rewards, which read text.
#pragma once

#include "kiln/data/prompts.h"
#include "kiln/text/tokenizer.h"

#include "train/rewards.h"
#include "train/rollouts.h"
#include <memory>
#include <vector>

namespace kiln {

/// Prompts, and the rewards of their answers.
class AnswerScoring {
 public:
  /// `tokenizer` and `rewards` must outlive this object.
  AnswerScoring(std::vector<ChatPrompt> prompts, const Tokenizer& tokenizer, Rewards& rewards)
      : prompts_(std::move(prompts)), tokenizer_(&tokenizer), rewards_(&rewards) {}

  /// Scores answers to these prompts. Throws as Rewards does.
  ScoredAnswers score(std::span<const Episode> episodes, const WhileWaiting& while_waiting) const;

 private:
  std::vector<ChatPrompt> prompts_;
  const Tokenizer* tokenizer_;
  Rewards* rewards_;
};

}  // namespace kiln
