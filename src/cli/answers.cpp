// kiln answers: writes several answers to each prompt, from one model or several, for people to rank.
#include "kiln/train/answers.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/hash.h"
#include "kiln/core/utf8.h"
#include "kiln/data/prompts.h"
#include "kiln/run/model_chat.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kiln::cli {
namespace {

struct AnswersArguments {
  std::vector<std::string> runs;
  ModelArguments model;  // what applies to each of them
  std::string prompts;
  std::string output;
  std::string system;
  std::optional<std::string> chat_template;
  CompletionOptions completion;
};

/// What one model answered.
struct SourceAnswers {
  std::string name;
  std::uint64_t model = 0;  // hash of the weights
  std::string chat_template;
  std::vector<std::vector<WrittenAnswer>> answers;  // to each prompt
};

std::uint64_t hash_of(const ParameterBuffer<float>& weights) {
  const auto count = static_cast<std::size_t>(weights.all().size());
  return hash_bytes({reinterpret_cast<const char*>(weights.data()), count * sizeof(float)});
}

SourceAnswers answers_of(const AnswersArguments& arguments, const std::string& run,
                         std::span<const std::vector<ChatMessage>> conversations) {
  ModelArguments source = arguments.model;
  source.run = run;
  LoadedModel loaded = source.load();
  const auto choice = arguments.chat_template
                          ? std::optional(value_of<ChatTemplateKind>(kChatTemplateKinds, *arguments.chat_template))
                          : std::nullopt;
  const ChatTemplate chat = chat_template_of(loaded, choice, "--template");
  SourceAnswers result{.name = utf8_replace_invalid(run),
                       .model = hash_of(*loaded.weights),
                       .chat_template = std::string(kChatTemplateKinds[static_cast<std::size_t>(chat.kind())]),
                       .answers = {}};
  CompletionOptions options = arguments.completion;
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

Json sampling_json(const CompletionOptions& completion) {
  const SamplingOptions& sampling = completion.generation.sampling;
  return {{"temperature", sampling.temperature},
          {"top_k", sampling.top_k},
          {"top_p", sampling.top_p},
          {"min_p", sampling.min_p},
          {"greedy", sampling.greedy},
          {"repetition_penalty", sampling.repetition_penalty},
          {"stop", completion.stops},
          {"max_tokens", completion.generation.max_tokens},
          {"seed", completion.generation.seed}};
}

/// Returns the line of a prompt; empty if no model answered it.
std::string line_of(const std::vector<ChatMessage>& messages, std::size_t prompt,
                    const std::vector<SourceAnswers>& sources, const Json& shared) {
  Json line{{"messages", Json::array()}, {"answers", Json::array()}};
  for (const ChatMessage& message : messages) {
    line["messages"].push_back({{"role", name_of(message.role)}, {"content", utf8_replace_invalid(message.content)}});
  }
  for (const SourceAnswers& source : sources) {
    for (const WrittenAnswer& answer : source.answers[prompt]) {
      line["answers"].push_back({{"text", answer.text}, {"source", source.name}, {"ended", answer.ended}});
    }
  }
  if (line["answers"].empty()) return "";
  line.update(shared);
  return line.dump() + "\n";
}

void write_file_of_answers(const std::string& output, std::span<const std::vector<ChatMessage>> conversations,
                           const std::vector<SourceAnswers>& sources, const CompletionOptions& completion) {
  Json shared{{"sources", Json::object()}, {"sampling", sampling_json(completion)}};
  for (const SourceAnswers& source : sources) {
    shared["sources"][source.name] = {{"model", hex(source.model)}, {"template", source.chat_template}};
  }
  std::string lines;
  Index prompts = 0, answers = 0;
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    const std::string line = line_of(conversations[i], i, sources, shared);
    lines += line;
    prompts += line.empty() ? 0 : 1;
    for (const SourceAnswers& source : sources) answers += std::ssize(source.answers[i]);
  }
  check(prompts > 0, "no prompt leaves room for an answer, so nothing is written; give shorter ones");
  write_file_atomically(output, lines);
  spdlog::info("{}: {} to {}; rank them: kiln rank {} --output rankings.jsonl", output, counted(answers, "answer"),
               counted(prompts, "prompt"), output);
}

void run_answers(const AnswersArguments& arguments) {
  arguments.completion.generation.validate();
  check_output_file("--output", arguments.output, "answers.jsonl");
  std::vector<std::string> names = arguments.runs;
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  check(twice == names.end(), "RUN: {} is named twice; --count sets the number of answers",
        twice == names.end() ? "" : *twice);
  std::vector<std::vector<ChatMessage>> conversations;
  for (ChatPrompt& prompt : read_chat_prompts(arguments.prompts)) {
    const bool has_system = prompt.messages.front().role == ChatRole::system;
    if (!arguments.system.empty() && !has_system) {
      prompt.messages.insert(prompt.messages.begin(), {ChatRole::system, arguments.system});
    }
    conversations.push_back(std::move(prompt.messages));
  }
  std::vector<SourceAnswers> sources;
  for (const std::string& run : arguments.runs) sources.push_back(answers_of(arguments, run, conversations));
  write_file_of_answers(arguments.output, conversations, sources, arguments.completion);
}

}  // namespace

void add_answers(CLI::App& app) {
  const auto arguments = std::make_shared<AnswersArguments>();
  GenerationOptions& generation = arguments->completion.generation;
  generation.samples = 4;
  CLI::App* command = app.add_subcommand("answers", "Write several answers to each prompt, for people to rank");
  command->add_option("RUN", arguments->runs, "the models: run directories, checkpoint folders or Hugging Face folders")
      ->required()
      ->type_name("DIR");
  command
      ->add_option("--checkpoint", arguments->model.checkpoint,
                   "checkpoint of the run directories; default: best if there is one, else latest")
      ->type_name("latest|best|STEP");
  arguments->model.add_precision_to(*command);
  command
      ->add_option("--prompts", arguments->prompts,
                   "file with a prompt on each line, or .jsonl with \"messages\" or \"prompt\"; the last answer of "
                   "messages is left out")
      ->required()
      ->type_name("FILE");
  command->add_option("--output", arguments->output, "file to write, which replaces what is there")
      ->required()
      ->type_name("FILE");
  add_count(*command, "--count", generation.samples, "answers of each model to each prompt", 1, 1000);
  command->add_option("--system", arguments->system, "system message of prompts that have none")->type_name("TEXT");
  add_choice(*command, "--template", arguments->chat_template, kChatTemplateKinds,
             "how conversations are written for the models; default: each model's own, else that whose special tokens "
             "its vocabulary has, else plain");
  add_count(*command, "--max-tokens", generation.max_tokens, "most tokens of an answer", 1);
  add_sampling_options(*command, generation.sampling);
  add_stop(*command, arguments->completion.stops, "an answer");
  add_count(*command, "--seed", generation.seed, "seed of the draws; the same seed gives the same answers");
  command->footer(
      "Each line of the output has the messages of a prompt, its answers with their sources, and how they were drawn.\n"
      "kiln rank shows them to a person without their sources.\n"
      "Example: kiln answers runs/a runs/b --prompts prompts.txt --count 2 --output answers.jsonl");
  command->callback([arguments] { run_answers(*arguments); });
}

}  // namespace kiln::cli
