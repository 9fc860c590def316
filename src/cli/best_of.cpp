// Frees the model that writes before it loads the model that scores.
#include "cli/best_of.h"

#include "kiln/core/error.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/terminal.h"
#include "kiln/core/utf8.h"
#include "kiln/run/model_chat.h"
#include "kiln/train/answers.h"
#include "kiln/train/reward_model.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include <algorithm>
#include <optional>
#include <unistd.h>
#include <utility>

namespace kiln::cli {
namespace {

using Answers = std::vector<std::vector<WrittenAnswer>>;  // to each prompt

Answers write(const ModelArguments& arguments, std::span<const std::vector<ChatMessage>> conversations,
              CompletionOptions completion) {
  const LoadedModel loaded = arguments.load();
  const ChatTemplate chat = chat_template_of(loaded, std::nullopt, "chat.template");
  completion.generation.end_tokens = loaded.ids().ends;
  completion.generation.overflow = ContextOverflow::stop;
  return write_answers(loaded.view(), *loaded.tokenizer, chat, conversations, completion);
}

}  // namespace

void sample_best_of(const ModelArguments& model, const std::vector<std::string>& prompts, CompletionOptions completion,
                    const BestOfOptions& options, bool json) {
  std::vector<std::vector<ChatMessage>> conversations;
  for (const std::string& prompt : prompts) conversations.push_back({{ChatRole::user, prompt}});
  completion.generation.samples = options.count;
  const Answers answers = write(model, conversations, std::move(completion));
  ModelArguments reward;
  reward.run = options.reward;
  const RewardModel judge(reward.load(ModelKind::reward));
  Json samples = Json::array();
  std::string text;
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    std::vector<AnswerToScore> questions;
    for (const WrittenAnswer& answer : answers[p]) questions.push_back({conversations[p], answer.text});
    const std::vector<std::optional<double>> scores = judge.scores(questions);
    const auto best = std::ranges::max_element(scores);  // nullopt is less than any score
    check(best != scores.end() && best->has_value(), "\"{}\": no answer to this prompt fits into the context",
          printable(utf8_replace_invalid(prompts[p])));
    const WrittenAnswer& answer = answers[p][static_cast<std::size_t>(best - scores.begin())];
    Json all = Json::array();
    for (const std::optional<double>& score : scores) all.push_back(or_null(score));
    samples.push_back({{"prompt", utf8_replace_invalid(prompts[p])},
                       {"text", answer.text},
                       {"score", **best},
                       {"scores", std::move(all)},
                       {"ended", answer.ended}});
    if (prompts.size() > 1) text += fmt::format("=== prompt {} of {} ===\n", p + 1, prompts.size());
    text += (is_terminal(STDOUT_FILENO) ? printable_lines(answer.text) : answer.text) + "\n";
  }
  json ? write_json(samples) : write_stdout(text);
}

}  // namespace kiln::cli
