// Generates the answers of all questions in one call, so that they share forwards.
#include "kiln/train/answers.h"

#include "kiln/core/error.h"
#include "kiln/core/report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

namespace kiln {
namespace {

bool ends_with_answer(const Conversation& conversation) {
  return conversation.messages.size() > 1 && conversation.messages.back().role == ChatRole::assistant;
}

std::vector<AnswerScore> scores_of(const std::vector<AnsweredQuestion>& questions) {
  AnswerScore all;
  std::map<std::string, AnswerScore> kinds;
  for (const AnsweredQuestion& question : questions) {
    const std::string& kind = question.conversation.kind;
    kinds[kind].kind = kind;
    for (AnswerScore* score : {&all, &kinds[kind]}) {
      ++score->asked;
      score->exact += question.exact ? 1 : 0;
      score->ended += question.ended ? 1 : 0;
    }
  }
  std::vector<AnswerScore> scores{all};
  if (kinds.size() == 1) return scores;
  for (const auto& [kind, score] : kinds) scores.push_back(score);
  return scores;
}

}  // namespace

std::pair<double, double> wilson_interval(Index hits, Index trials) {
  constexpr double z = 1.959963984540054;  // the normal quantile of 97.5%
  const auto n = static_cast<double>(trials);
  const double p = static_cast<double>(hits) / n, scale = 1 + z * z / n;
  const double middle = (p + z * z / (2 * n)) / scale;
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale;
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

AnswerReport ask_questions(const ModelView& model, const Tokenizer& tokenizer, const ChatTemplate& chat,
                           std::span<const Conversation> conversations, const CompletionOptions& options) {
  AnswerReport report;
  std::vector<Prompt> prompts;
  std::vector<std::size_t> asked;  // in report.questions, of each prompt
  for (const Conversation& conversation : conversations) {
    if (!ends_with_answer(conversation)) continue;
    const std::span<const ChatMessage> messages(conversation.messages);
    Prompt prompt = chat.prompt(messages.first(messages.size() - 1));
    const bool fits = std::ssize(prompt) < model.config.n_ctx;
    report.questions.push_back({.conversation = conversation, .answer = {}, .too_long = !fits});
    report.too_long += fits ? 0 : 1;
    if (!fits) continue;
    prompts.push_back(std::move(prompt));
    asked.push_back(report.questions.size() - 1);
  }
  check(!prompts.empty(),
        "no conversation ends with an assistant's message and fits into the context, so there is nothing to ask; give "
        "each line \"prompt\" and \"completion\", or \"messages\" that end with an answer");
  Work work("answering", static_cast<double>(prompts.size()), "questions");
  const auto on_text = [&](Index, std::string_view, bool last) {
    if (last) work.add(1);
  };
  const std::vector<Completion> answers = complete(model, tokenizer, prompts, options, on_text);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    AnsweredQuestion& question = report.questions[asked[i]];
    question.answer = answers[i].text;
    question.ended = answers[i].finish == Finish::end;
    question.exact =
        trim_content(answers[i].text) == trim_content(question.conversation.messages.back().content) && question.ended;
  }
  report.scores = scores_of(report.questions);
  return report;
}

}  // namespace kiln
