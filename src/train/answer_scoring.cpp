// Decodes answers without the token that ends them.
#include "train/answer_scoring.h"

#include <algorithm>
#include <iterator>
#include <string>

namespace kiln {

ScoredAnswers AnswerScoring::score(std::span<const Episode> episodes, const WhileWaiting& while_waiting) const {
  std::vector<std::string> texts;
  for (const Episode& episode : episodes) {
    std::span<const TokenId> tokens(episode.tokens);
    if (episode.ended) tokens = tokens.first(tokens.size() - 1);
    std::vector<TokenId> known;  // a padded embedding has rows that are no token of the tokenizer
    std::ranges::copy_if(tokens, std::back_inserter(known), [&](TokenId id) { return id < tokenizer_->vocab_size(); });
    texts.push_back(tokenizer_->decode(known, SpecialText::meaning));
  }
  std::vector<DrawnAnswer> answers;
  for (std::size_t i = 0; i < episodes.size(); ++i) {
    const ChatPrompt& prompt = prompts_[static_cast<std::size_t>(episodes[i].prompt)];
    answers.push_back({.messages = prompt.messages,
                       .text = texts[i],
                       .expected = prompt.expected,
                       .tokens = std::ssize(episodes[i].tokens),
                       .ended = episodes[i].ended});
  }
  return rewards_->score(answers, while_waiting);
}

}  // namespace kiln
