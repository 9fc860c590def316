// kiln answers: writes several answers to each prompt, from one model or several, for people to rank.
#include "kiln/train/answers.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/hash.h"
#include "kiln/core/utf8.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/source_answers.h"
#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kiln::cli {
namespace {

struct AnswersArguments {
  std::vector<std::string> runs;
  std::string output;
  AnswerSettings settings;
};

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
  arguments.settings.completion.generation.validate();
  check_output_file("--output", arguments.output, "answers.jsonl");
  check_not_read(arguments.output, std::array{std::filesystem::path(arguments.settings.prompts)});
  std::vector<std::string> names = arguments.runs;
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  check(twice == names.end(), "RUN: {} is named twice; --count sets the number of answers",
        twice == names.end() ? "" : *twice);
  const std::vector<std::vector<ChatMessage>> conversations = arguments.settings.conversations();
  std::vector<SourceAnswers> sources;
  for (const std::string& run : arguments.runs) sources.push_back(answers_of(arguments.settings, run, conversations));
  write_file_of_answers(arguments.output, conversations, sources, arguments.settings.completion);
}

}  // namespace

void add_answers(CLI::App& app) {
  const auto arguments = std::make_shared<AnswersArguments>();
  GenerationOptions& generation = arguments->settings.completion.generation;
  generation.samples = 4;
  CLI::App* command = app.add_subcommand("answers", "Write several answers to each prompt, for people to rank");
  command->add_option("RUN", arguments->runs, "the models: run directories, checkpoint folders or Hugging Face folders")
      ->required()
      ->type_name("DIR")
      ->default_str("");
  command->add_option("--output", arguments->output, "file to write; replaces an existing one")
      ->required()
      ->type_name("FILE");
  add_count(*command, "--count", generation.samples, "answers of each model to each prompt", 1, 1000);
  arguments->settings.add_to(*command);
  command->footer(
      "Each line of the output has the messages of a prompt, its answers with their sources, and how they were drawn.\n"
      "kiln rank shows them to a person without their sources.\n"
      "Example: kiln answers runs/a runs/b --prompts prompts.txt --count 2 --output answers.jsonl");
  command->callback([arguments] { run_answers(*arguments); });
}

}  // namespace kiln::cli
