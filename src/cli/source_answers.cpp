// Generates all answers of a model together, and frees it before the next one.
#include "cli/source_answers.h"

#include "kiln/core/format.h"
#include "kiln/core/hash.h"
#include "kiln/core/utf8.h"
#include "kiln/data/prompts.h"
#include "kiln/run/base_model.h"
#include "kiln/run/model_chat.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace kiln::cli {
namespace {

/// A model that answers conversations.
struct Writer {
  Writer(const AnswerSettings& settings, const std::string& run)
      : loaded(load(settings, run)), chat(chat_template_of(loaded, choice_of(settings), "--template")) {}

  LoadedModel loaded;
  ChatTemplate chat;

 private:
  static LoadedModel load(const AnswerSettings& settings, const std::string& run) {
    ModelArguments source = settings.model;
    source.run = run;
    return source.load();
  }
  static std::optional<ChatTemplateKind> choice_of(const AnswerSettings& settings) {
    if (!settings.chat_template) return std::nullopt;
    return value_of<ChatTemplateKind>(kChatTemplateKinds, *settings.chat_template);
  }
};

bool draws_from_whole_distribution(const SamplingOptions& sampling) {
  return !sampling.takes_likeliest() && sampling.top_k == 0 && sampling.top_p >= 1 && sampling.min_p <= 0 &&
         sampling.repetition_penalty == 1;
}

/// Returns the name of a built-in template; of another one its hash, too.
std::string template_name(const ChatTemplate& chat) {
  const std::string name(kChatTemplateKinds[static_cast<std::size_t>(chat.kind())]);
  return chat.kind() == ChatTemplateKind::own ? fmt::format("{} {:016x}", name, chat.hash()) : name;
}

}  // namespace

void AnswerSettings::add_to(CLI::App& command) {
  command
      .add_option("--checkpoint", model.checkpoint,
                  "checkpoint of the run directories; default: best if there is one, else latest")
      ->type_name("latest|best|STEP");
  model.add_precision_to(command);
  command
      .add_option("--prompts", prompts,
                  "file with a prompt on each line, or .jsonl with \"messages\" or \"prompt\"; the last answer of "
                  "messages is left out")
      ->required()
      ->type_name("FILE");
  command.add_option("--system", system, "system message of prompts that have none")->type_name("TEXT");
  add_choice(command, "--template", chat_template, kChatTemplateKinds,
             "how conversations are written for the models; default: each model's own, else that whose special tokens "
             "its vocabulary has, else plain");
  add_count(command, "--max-tokens", completion.generation.max_tokens, "most tokens of an answer", 1);
  add_sampling_options(command, completion.generation.sampling);
  add_stop(command, completion.stops, "an answer");
  add_count(command, "--seed", completion.generation.seed, "seed of the draws; the same seed gives the same answers");
}

std::vector<std::vector<ChatMessage>> AnswerSettings::conversations() const {
  std::vector<std::vector<ChatMessage>> conversations;
  for (ChatPrompt& prompt : read_chat_prompts(prompts)) {
    const bool has_system = prompt.messages.front().role == ChatRole::system;
    if (!system.empty() && !has_system) prompt.messages.insert(prompt.messages.begin(), {ChatRole::system, system});
    conversations.push_back(std::move(prompt.messages));
  }
  return conversations;
}

SourceAnswers answers_of(const AnswerSettings& settings, const std::string& run,
                         std::span<const std::vector<ChatMessage>> conversations) {
  const Writer writer(settings, run);
  const Tokenizer& tokenizer = *writer.loaded.tokenizer;
  SourceAnswers result{.name = utf8_replace_invalid(run),
                       .model = hash_weights(writer.loaded.source.folder),
                       .chat_template = template_name(writer.chat),
                       .tokenizer = hash_bytes(tokenizer.to_json().dump()),
                       .answers = {}};
  CompletionOptions options = settings.completion;
  options.generation.end_tokens = writer.loaded.ids().ends;
  options.generation.overflow = ContextOverflow::stop;
  const ModelView view = writer.loaded.view();
  result.answers = write_answers(view, tokenizer, writer.chat, conversations, options);
  const auto too_long = std::ranges::count_if(result.answers, [](const auto& answers) { return answers.empty(); });
  if (too_long > 0) {
    spdlog::warn("{}: no room for an answer to {} in the context of {}", run, counted(too_long, "prompt"),
                 view.config.n_ctx);
  }
  return result;
}

Mean mean_of(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  Mean mean;
  for (const double value : values) mean.value += value / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean.value) * (value - mean.value);
  mean.standard_error = n > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
  return mean;
}

std::optional<Mean> divergence_of(const AnswerSettings& settings, std::span<const std::string, 2> runs,
                                  std::span<const std::vector<ChatMessage>> conversations,
                                  std::span<const SourceAnswers, 2> sources) {
  const SamplingOptions& sampling = settings.completion.generation.sampling;
  if (!draws_from_whole_distribution(sampling)) return std::nullopt;
  if (sources[0].tokenizer != sources[1].tokenizer || sources[0].chat_template != sources[1].chat_template)
    return std::nullopt;
  std::vector<double> differences;
  for (const std::string& run : runs) {
    const Writer writer(settings, run);
    std::vector<PromptedTokens> answers;
    for (std::size_t i = 0; i < conversations.size(); ++i) {
      if (sources[0].answers[i].empty()) continue;
      answers.push_back({writer.chat.prompt(conversations[i]), sources[0].answers[i].front().tokens});
      const Index rows = std::ssize(answers.back().prompt) + std::ssize(answers.back().tokens) - 1;
      if (rows > writer.loaded.view().config.n_ctx) return std::nullopt;  // B's context is shorter
    }
    const std::vector<double> log_probs = log_probs_of(writer.loaded.view(), answers, sampling.temperature);
    differences.resize(log_probs.size(), 0.0);
    for (std::size_t i = 0; i < log_probs.size(); ++i) differences[i] = log_probs[i] - differences[i];
  }
  for (double& difference : differences) difference = -difference;  // B's less A's so far
  return mean_of(differences);
}

}  // namespace kiln::cli
