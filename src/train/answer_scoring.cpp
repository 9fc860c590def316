// Decodes answers without the token that ends them.
#include "train/answer_scoring.h"

#include "infer/token_stream.h"
#include <string>

namespace kiln {

ScoredAnswers AnswerScoring::score(std::span<const Episode> episodes) const {
  std::vector<std::string> texts;
  for (const Episode& episode : episodes) {
    TokenStream stream(*tokenizer_, {}, std::nullopt);
    std::span<const TokenId> tokens(episode.tokens);
    if (episode.ended) tokens = tokens.first(tokens.size() - 1);
    std::string& text = texts.emplace_back();
    for (const TokenId token : tokens) text += stream.push(token);
    text += stream.finish();
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
  return rewards_->score(answers);
}

}  // namespace kiln
