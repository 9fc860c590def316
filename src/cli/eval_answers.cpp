// Scores conversations with the template that the model was trained with.
#include "cli/eval_answers.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/data/conversation_examples.h"
#include "kiln/data/encoded_conversations.h"
#include "kiln/run/checkpoint.h"
#include "kiln/run/model_chat.h"
#include "kiln/train/answers.h"
#include "kiln/train/choices.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/output.h"
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kiln::cli {
namespace {

/// Throws Error (usage) unless these are the conversations of the training.
void check_same_conversations(const LoadedModel& model, const EncodedConversations& train,
                              const EncodedConversations& validation) {
  const ObjectiveKind objective = read_checkpoint_config(model.source.folder).config.objective.type;
  check(!is_of_policy(objective),
        "{}: learned from its own answers; name conversations to score with --data FILE, or questions to answer with "
        "--generate FILE",
        model.source.folder.string());
  const std::uint64_t trained_on = read_trainer_state(model.source.folder).data_digest;
  check(trained_on == digest_of(train, validation),
        "{}: the run was trained on other conversations than data.train and data.validation hold now; restore the "
        "files, or name others with --data FILE",
        model.source.folder.string());
}

/// Reads the conversations of each file, folder or glob as a source of its own.
std::vector<ConversationSource> read_sources(const std::vector<std::string>& files, const DataConfig& run,
                                             const ReadingArguments& reading) {
  DataConfig data;
  data.include = run.include;
  data.validation_fraction = 0;
  reading.apply_to(data);
  std::vector<ConversationSource> sources;
  for (const std::string& file : files) {
    data.train = {file};
    for (ConversationSource& source : read_conversations(data, {}, "--data").train)
      sources.push_back(std::move(source));
  }
  return sources;
}

Json to_json(const AnswerReport& report) {
  Json scores = Json::array();
  for (const AnswerScore& score : report.scores) {
    const auto [low, high] = score.interval();
    const auto answers = static_cast<double>(score.answers);
    scores.push_back({{"kind", score.kind.empty() ? Json() : Json(score.kind)},
                      {"asked", score.asked},
                      {"answers", score.answers},
                      {"exact", static_cast<double>(score.exact) / answers},
                      {"confidence_interval", {low, high}},
                      {"ended", static_cast<double>(score.ended) / answers}});
  }
  Json answers = Json::array();
  for (const AnsweredQuestion& question : report.questions) {
    const std::vector<ChatMessage>& messages = question.conversation.messages;
    answers.push_back({{"place", question.conversation.place},
                       {"question", messages[messages.size() - 2].content},
                       {"expected", messages.back().content},
                       {"answer", question.answer},
                       {"exact", question.exact},
                       {"ended", question.ended}});
  }
  return {{"scores", std::move(scores)}, {"answers", std::move(answers)}};
}

std::string to_text(const AnswerReport& report) {
  Table table;
  table.row({"questions", "asked", "answers", "exact", "95% interval", "ended"});
  for (const AnswerScore& score : report.scores) {
    const auto [low, high] = score.interval();
    const auto percent = [&](Index part) {
      return fmt::format("{:.1f}%", 100 * static_cast<double>(part) / static_cast<double>(score.answers));
    };
    table.row({score.kind.empty() ? "all" : score.kind, format_count(score.asked), format_count(score.answers),
               percent(score.exact), fmt::format("{:.1f}% to {:.1f}%", 100 * low, 100 * high), percent(score.ended)});
  }
  return table.text();
}

}  // namespace

std::unique_ptr<EvaluationSource> conversations_to_score(const LoadedModel& model, const ChatTemplate& chat,
                                                         const std::vector<std::string>& files,
                                                         const ReadingArguments& reading) {
  const Config run = model.source.config.value_or(Config());
  const ChatEncoding encoding{run.objective.supervise, run.objective.too_long, model.model->config().n_ctx};
  const auto encode = [&](const std::vector<ConversationSource>& sources) {
    return encode_sources(sources, chat, *model.tokenizer, model.ids(), encoding);
  };
  EncodedConversations scored;
  if (files.empty()) {
    const Conversations read = read_conversations(run.located_data(), run.directory);
    scored = encode(read.validation);
    check_same_conversations(model, encode(read.train), scored);
    spdlog::info("scoring the run's validation split; --data FILE names other conversations");
  } else {
    scored = encode(read_sources(files, run.data, reading));
  }
  check_input(scored.size() > 0,
              "there is no conversation to score ({} longer than n_ctx, {} without an answer); name others with --data "
              "FILE",
              format_count(scored.census().dropped), format_count(scored.census().without_answer));
  return std::make_unique<PackedEvaluation>(std::make_shared<ConversationExamples>(std::move(scored)),
                                            evaluation_rows(model.model->config()), std::numeric_limits<Index>::max());
}

void evaluate_answers(const LoadedModel& model, const ChatTemplate& chat, const std::string& file,
                      const GenerationOptions& generation, bool json) {
  std::vector<Conversation> conversations;
  read_conversations(file, [&](Conversation one) { conversations.push_back(std::move(one)); });
  CompletionOptions options{.generation = generation};
  options.generation.overflow = ContextOverflow::stop;
  options.generation.end_tokens = model.ids().ends;
  options.generation.end_tokens.push_back(chat.end_of_turn());
  const AnswerReport report = ask_questions(model.view(), *model.tokenizer, chat, conversations, options);
  if (report.too_long > 0)
    spdlog::warn("{}: {} leave no room for an answer in the context of {}, and count as not answered", file,
                 counted(report.too_long, "question"), model.model->config().n_ctx);
  json ? write_json(to_json(report)) : write_stdout(to_text(report));
}

void evaluate_choices(const LoadedModel& model, const std::optional<ChatTemplate>& chat, const std::string& file,
                      bool json) {
  const std::vector<ChoiceQuestion> questions = read_choice_questions(file);
  const std::vector<RatedQuestion> rated = rate_choices(model.view(), *model.tokenizer, model.ids(), chat, questions);
  Index by_sum = 0, per_byte = 0;
  Json answers = Json::array();
  for (std::size_t i = 0; i < rated.size(); ++i) {
    by_sum += rated[i].likeliest == questions[i].answer ? 1 : 0;
    per_byte += rated[i].likeliest_per_byte == questions[i].answer ? 1 : 0;
    answers.push_back({{"place", questions[i].place},
                       {"answer", questions[i].answer},
                       {"likeliest", rated[i].likeliest},
                       {"likeliest_per_byte", rated[i].likeliest_per_byte},
                       {"log_probabilities", rated[i].log_probabilities}});
  }
  const Index asked = std::ssize(questions);
  const auto share = [&](Index correct) { return static_cast<double>(correct) / static_cast<double>(asked); };
  if (json) {
    const auto score = [&](Index correct) {
      const auto [low, high] = wilson_interval(correct, asked);
      return Json{{"accuracy", share(correct)}, {"confidence_interval", {low, high}}};
    };
    return write_json({{"asked", asked},
                       {"by_sum", score(by_sum)},
                       {"per_byte", score(per_byte)},
                       {"questions", std::move(answers)}});
  }
  Table table;
  table.row({"choice by", "accuracy", "95% interval"});
  for (const auto& [name, correct] : {std::pair("log p", by_sum), {"log p per byte", per_byte}}) {
    const auto [low, high] = wilson_interval(correct, asked);
    table.row(
        {name, fmt::format("{:.1f}%", 100 * share(correct)), fmt::format("{:.1f}% to {:.1f}%", 100 * low, 100 * high)});
  }
  table.row({"questions", format_count(asked)});
  write_stdout(table.text());
}

}  // namespace kiln::cli
