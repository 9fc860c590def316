// kiln chat: talks with a model, line by line.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/terminal.h"
#include "kiln/infer/chat_session.h"
#include "kiln/run/model_chat.h"

#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/chat_commands.h"
#include "cli/chat_entries.h"
#include "cli/chat_talk.h"
#include "cli/commands.h"
#include "cli/line_source.h"
#include "cli/output.h"
#include "cli/state_folder.h"
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>

namespace kiln::cli {
namespace {

struct ChatArguments {
  ModelArguments model;
  std::string system;
  std::optional<std::string> chat_template;
  bool json = false;
  ChatOptions chat;
};

std::optional<ChatTemplateKind> choice_of(const std::optional<std::string>& name) {
  return name ? std::optional(value_of<ChatTemplateKind>(kChatTemplateKinds, *name)) : std::nullopt;
}

/// Returns where a person's lines are kept between chats, in a folder that exists; nullopt if there can be none.
std::optional<std::filesystem::path> history_file() {
  const std::optional<std::filesystem::path> folder = state_folder();
  if (!folder) return std::nullopt;
  try {
    make_directories(*folder);
  } catch (const Error&) {
    return std::nullopt;
  }
  return *folder / "chat_history";
}

std::unique_ptr<LineSource> line_source(PendingSignals& signals, ChatOutput output) {
  const bool is_person = output == ChatOutput::person;
  std::unique_ptr<LineSource> editor = is_person ? make_line_editor(signals, history_file()) : nullptr;
  if (editor) return editor;
  return std::make_unique<PlainLines>(signals, is_person);
}

void take_entry(Chat& chat, const ChatEntry& entry) {
  switch (entry.kind) {
    case ChatEntry::Kind::message:
      if (!trim_content(entry.text).empty()) chat.talk.answer(entry.text);
      return;
    case ChatEntry::Kind::command:
      return run_chat_command(chat, entry.text);
    case ChatEntry::Kind::interrupted:
      if (entry.text.empty()) chat.talk.note("Ctrl-D or /quit ends the chat");
      return;
    case ChatEntry::Kind::end:
      chat.has_ended = true;
  }
}

/// Takes entries up to the end. A person continues after an error; a script ends with it.
void converse(Chat& chat, ChatEntries& entries, ChatOutput output) {
  while (!chat.has_ended) {
    ChatEntry entry;
    try {
      entry = entries.next();
      take_entry(chat, entry);
      if (entry.kind == ChatEntry::Kind::end && output == ChatOutput::person) write_stdout("\n");
    } catch (const Error& error) {
      if (output != ChatOutput::person) fail(error.code(), "stdin:{}: {}", entries.line(), error.what());
      if (error.code() == ExitCode::diverged) throw;
      spdlog::error("{}", error.what());
    }
  }
}

void run_chat(ChatArguments& arguments) {
  arguments.chat.validate();
  const bool is_person = !arguments.json && is_terminal(STDIN_FILENO) && is_terminal(STDOUT_FILENO);
  const ChatOutput output = arguments.json ? ChatOutput::json : is_person ? ChatOutput::person : ChatOutput::text;
  PendingSignals signals(is_person);  // before any thread starts
  const LoadedModel loaded = arguments.model.load();
  const ChatTemplate chat_template = chat_template_of(loaded, choice_of(arguments.chat_template), "--template");
  const ModelView model = loaded.view();

  ChatOptions options = arguments.chat;
  options.end_tokens = loaded.ids().ends;
  // A model that was not trained on conversations writes the user's next message too.
  if (chat_template.kind() == ChatTemplateKind::plain) options.stops.emplace_back("\nUser:");
  ChatSession session(model, *loaded.tokenizer, chat_template, options);
  session.set_system(arguments.system);
  if (const PendingSignals::News news = signals.take(); news.interrupted || news.ended) {
    throw ExitWith{kSignalExit + news.ended.value_or(SIGINT)};
  }

  ChatTalk talk(session, signals, output);
  if (is_person) {
    talk.note(fmt::format("template {}, context of {}; /help lists the commands, Ctrl-D ends the chat",
                          kChatTemplateKinds[static_cast<std::size_t>(chat_template.kind())],
                          counted(session.context(), "token")));
  }
  Chat chat{.session = session, .tokenizer = *loaded.tokenizer, .talk = talk};
  const std::unique_ptr<LineSource> lines = line_source(signals, output);
  ChatEntries entries(*lines);
  converse(chat, entries, output);
}

}  // namespace

void add_chat(CLI::App& app) {
  const auto arguments = std::make_shared<ChatArguments>();
  CLI::App* command = app.add_subcommand("chat", "Talk with a model");
  arguments->model.add_to(*command);
  arguments->model.add_precision_to(*command);
  command->add_option("--system", arguments->system, "system message, which opens the conversation")->type_name("TEXT");
  add_choice(
      *command, "--template", arguments->chat_template, kChatTemplateKinds,
      "chat template; default: the model's own, else the one whose special tokens the vocabulary has, else plain");
  add_count(*command, "--max-tokens", arguments->chat.max_tokens, "maximum number of tokens in an answer", 1);
  add_count(*command, "--context", arguments->chat.context,
            "maximum number of tokens that the model reads; it drops the oldest turns of a longer conversation; 0: the "
            "model's context, or as much of it as 1 GiB of keys and values holds");
  add_sampling_options(*command, arguments->chat.sampling);
  add_stop(*command, arguments->chat.stops, "an answer");
  add_count(*command, "--seed", arguments->chat.seed,
            "seed of the draws; the same seed and the same messages give the same answers");
  command->add_flag("--json", arguments->json, "print a line of JSON for each answer; messages go to stderr");
  command->footer(
      "Each line of the input is a message, or a command such as /help. Piped input works as a script, which ends "
      "with\n"
      "the first error. --json prints for each answer an object with user, answer, finish, tokens and dropped_turns.\n"
      "Example: kiln chat runs/tales --system 'You tell tales.' --temperature 0.7");
  command->callback([arguments] { run_chat(*arguments); });
}

}  // namespace kiln::cli
