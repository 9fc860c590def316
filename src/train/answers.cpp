// Generates the answers of all questions in one call, so that they share forwards.
#include "kiln/train/answers.h"

#include "kiln/core/error.h"
#include "kiln/core/report.h"
#include "kiln/data/batch.h"
#include "kiln/train/evaluate.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace kiln {
namespace {

bool ends_with_answer(const Conversation& conversation) {
  return conversation.messages.size() > 1 && conversation.messages.back().role == ChatRole::assistant;
}

/// `questions` holds each question `samples` times, one after the other.
std::vector<AnswerScore> scores_of(std::span<const AnsweredQuestion> questions, std::size_t samples) {
  AnswerScore all;
  std::map<std::string, AnswerScore> kinds;
  for (; !questions.empty(); questions = questions.subspan(samples)) {
    const std::span<const AnsweredQuestion> answers = questions.first(samples);
    const std::string& kind = answers.front().conversation.kind;
    kinds[kind].kind = kind;
    const Index exact = std::ranges::count(answers, true, &AnsweredQuestion::exact),
                ended = std::ranges::count(answers, true, &AnsweredQuestion::ended);
    for (AnswerScore* score : {&all, &kinds[kind]}) {
      ++score->asked;
      score->answers += std::ssize(answers);
      score->exact += exact;
      score->ended += ended;
      score->by_question.push_back({static_cast<double>(exact), static_cast<double>(samples)});
    }
  }
  std::vector<AnswerScore> scores{all};
  if (kinds.size() == 1) return scores;
  for (const auto& [kind, score] : kinds) scores.push_back(score);
  return scores;
}

}  // namespace

std::pair<double, double> AnswerScore::interval() const {
  if (answers == asked) return wilson_interval(exact, asked);
  const Share share = share_of(by_question);
  return {share.low, share.high};
}

AnswerReport ask_questions(const ModelView& model, const Tokenizer& tokenizer, const ChatTemplate& chat,
                           std::span<const Conversation> conversations, const CompletionOptions& options) {
  AnswerReport report;
  std::vector<Prompt> prompts;
  std::vector<std::size_t> asked;  // in report.questions, the first of each prompt
  const auto samples = static_cast<std::size_t>(options.generation.samples);
  for (const Conversation& conversation : conversations) {
    if (!ends_with_answer(conversation)) continue;
    const std::span<const ChatMessage> messages(conversation.messages);
    Prompt prompt = at_place(conversation.place, [&] { return chat.prompt(messages.first(messages.size() - 1)); });
    const bool fits = std::ssize(prompt) < model.config.n_ctx;
    report.questions.insert(report.questions.end(), samples,
                            {.conversation = conversation, .answer = {}, .too_long = !fits});
    report.too_long += fits ? 0 : 1;
    if (!fits) continue;
    prompts.push_back(std::move(prompt));
    asked.push_back(report.questions.size() - samples);
  }
  check_input(
      !prompts.empty(),
      "no conversation ends with an assistant's message and fits into the context, so there is nothing to ask; give "
      "each line \"prompt\" and \"completion\", or \"messages\" that end with an answer");
  Work work("answering", static_cast<double>(prompts.size() * samples), samples == 1 ? "questions" : "answers");
  const auto on_text = [&](Index, std::string_view, bool last) {
    if (last) work.add(1);
  };
  const std::vector<Completion> answers = complete(model, tokenizer, prompts, options, on_text);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    AnsweredQuestion& question = report.questions[asked[i / samples] + i % samples];
    question.answer = answers[i].text;
    question.ended = answers[i].finish == Finish::end;
    question.exact =
        trim_content(answers[i].text) == trim_content(question.conversation.messages.back().content) && question.ended;
  }
  report.scores = scores_of(report.questions, samples);
  return report;
}

std::vector<std::vector<WrittenAnswer>> write_answers(const ModelView& model, const Tokenizer& tokenizer,
                                                      const ChatTemplate& chat,
                                                      std::span<const std::vector<ChatMessage>> conversations,
                                                      CompletionOptions options) {
  std::vector<std::vector<WrittenAnswer>> answers(conversations.size());
  std::vector<Prompt> prompts;
  std::vector<std::size_t> asked;  // of each prompt, the conversation
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    Prompt prompt = chat.prompt(conversations[i]);
    if (std::ssize(prompt) >= model.config.n_ctx) continue;
    prompts.push_back(std::move(prompt));
    asked.push_back(i);
  }
  if (prompts.empty()) return answers;
  options.generation.end_tokens.push_back(chat.end_of_turn());
  options.generation.draws = DrawStream::of_prompt;
  options.generation.keeps_end = true;
  // A model that was not trained on conversations writes the user's next message too.
  if (chat.kind() == ChatTemplateKind::plain) options.stops.emplace_back("\nUser:");
  const auto samples = static_cast<std::size_t>(options.generation.samples);
  Work work("answering", static_cast<double>(prompts.size() * samples), "answers");
  const auto on_text = [&](Index, std::string_view, bool last) {
    if (last) work.add(1);
  };
  std::vector<Completion> completions = complete(model, tokenizer, prompts, options, on_text);
  for (std::size_t i = 0; i < completions.size(); ++i) {
    Completion& one = completions[i];
    answers[asked[i / samples]].push_back({std::move(one.text), one.finish != Finish::length, std::move(one.ids)});
  }
  return answers;
}

std::vector<double> log_probs_of(const ModelView& model, std::span<const PromptedTokens> answers, double temperature) {
  const Index rows = evaluation_rows(model.config);
  const auto runner = model.make_runner({.rows = rounded_up_rows(rows), .scored = rounded_up_rows(rows)});
  std::vector<double> log_probs(answers.size(), 0.0);
  Batch batch;
  batch.temperature = temperature;
  std::vector<std::size_t> places;  // in `log_probs`, of each scored row
  std::vector<float> losses;        // -log p
  const auto score_batch = [&] {
    if (places.empty()) return;
    losses.resize(places.size());
    batch.rows.round_up(kRowMultiple);
    runner->forward(model.weights, batch.rows);
    runner->score(batch.scored_targets(), Vec<float>(losses.data(), std::ssize(losses)));
    for (std::size_t m = 0; m < places.size(); ++m) log_probs[places[m]] -= static_cast<double>(losses[m]);
    batch.clear();
    batch.temperature = temperature;
    places.clear();
  };
  Work work("scoring", static_cast<double>(answers.size()), "answers");
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto& [prompt, tokens] = answers[i];
    work.add(1);
    if (tokens.empty()) continue;
    std::vector<TokenId> inputs = prompt;
    inputs.insert(inputs.end(), tokens.begin(), tokens.end() - 1);  // nothing follows the last token
    if (batch.rows.size() + std::ssize(inputs) > rows) score_batch();
    const Index first = batch.rows.size() + std::ssize(prompt) - 1;
    batch.rows.append(inputs);
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      batch.scored.push_back(first + static_cast<Index>(t));
      batch.targets.push_back(tokens[t]);
      places.push_back(i);
    }
  }
  score_batch();
  return log_probs;
}

}  // namespace kiln
