// Generates all answers of a model together, and frees it before the next one.
#include "cli/source_answers.h"

#include "kiln/core/format.h"
#include "kiln/core/hash.h"
#include "kiln/core/utf8.h"
#include "kiln/data/prompts.h"
#include "kiln/nn/model_weights.h"
#include "kiln/run/model_chat.h"

#include <CLI/CLI.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace kiln::cli {
namespace {

std::uint64_t hash_of(const ParameterBuffer<float>& weights) {
  const auto count = static_cast<std::size_t>(weights.all().size());
  return hash_bytes({reinterpret_cast<const char*>(weights.data()), count * sizeof(float)});
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
  ModelArguments source = settings.model;
  source.run = run;
  LoadedModel loaded = source.load();
  const auto choice = settings.chat_template
                          ? std::optional(value_of<ChatTemplateKind>(kChatTemplateKinds, *settings.chat_template))
                          : std::nullopt;
  const ChatTemplate chat = chat_template_of(loaded, choice, "--template");
  SourceAnswers result{.name = utf8_replace_invalid(run),
                       .model = hash_of(*loaded.weights),
                       .chat_template = std::string(kChatTemplateKinds[static_cast<std::size_t>(chat.kind())]),
                       .answers = {}};
  CompletionOptions options = settings.completion;
  options.generation.end_tokens = loaded.ids().ends;
  options.generation.overflow = ContextOverflow::stop;
  // A model that was not trained on conversations writes the user's next message too.
  if (chat.kind() == ChatTemplateKind::plain) options.stops.emplace_back("\nUser:");
  ModelWeights weights(std::move(loaded.weights), source.precision_of(loaded));
  weights.keep_only_what_is_read();
  const ModelView view(*loaded.model, weights);
  result.answers = write_answers(view, *loaded.tokenizer, chat, conversations, options);
  const auto too_long = std::ranges::count_if(result.answers, [](const auto& answers) { return answers.empty(); });
  if (too_long > 0) {
    spdlog::warn("{}: no room for an answer to {} in the context of {}", run, counted(too_long, "prompt"),
                 view.config.n_ctx);
  }
  return result;
}

}  // namespace kiln::cli
