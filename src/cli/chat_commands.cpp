// Lists the commands in a table, from which /help is written.
#include "cli/chat_commands.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/nearest.h"
#include "kiln/core/shown_text.h"

#include "cli/chat_file.h"
#include "cli/output.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace kiln::cli {
namespace {

struct ChatCommand {
  std::string_view name;
  std::string_view value;  // of its argument in the help; empty if it takes none
  std::string_view help;
  void (*run)(Chat& chat, const std::string& argument);
};

void run_system(Chat& chat, const std::string& text) {
  chat.session.set_system(text);
  chat.talk.note(text.empty() ? "no system message" : "the system message is set");
}

void run_reset(Chat& chat, const std::string&) {
  chat.session.reset();
  chat.talk.forget_last();
  chat.talk.note("a new conversation");
}

void run_undo(Chat& chat, const std::string&) {
  check(chat.session.undo(), "there is no turn to take back");
  chat.talk.forget_last();
  chat.talk.note("the last turn is taken back");
}

void run_retry(Chat& chat, const std::string&) { chat.talk.retry(); }

void run_save(Chat& chat, const std::string& name) {
  check(!chat.session.messages().empty(), "there is nothing to save yet");
  const std::filesystem::path file(name);
  check(!path_exists(file) || is_folder(file) || file == chat.file, "{}: exists already; choose another name", name);
  save_conversation(file, chat.session.messages());
  chat.file = file;
  chat.talk.note(fmt::format("saved {} in {}", counted(std::ssize(chat.session.messages()), "message"), name));
}

void run_load(Chat& chat, const std::string& name) {
  chat.session.load(load_conversation(name));
  chat.talk.forget_last();
  chat.file = name;
  const std::vector<ChatMessage>& messages = chat.session.messages();
  const bool waits = !messages.empty() && messages.back().role == ChatRole::user;
  chat.talk.note(fmt::format("loaded {}{}", counted(std::ssize(messages), "message"),
                             waits ? "; /retry answers the last one" : ""));
}

/// Lists tokens, special ones by their names; a token that ends a line ends it here too.
void run_tokens(Chat& chat, const std::string&) {
  const ChatView view = chat.session.tokens();
  std::string text;
  for (const TokenId id : view.ids) {
    const SpecialToken* special = chat.tokenizer.special_by_id(id);
    const std::string bytes = chat.tokenizer.token_bytes(id);
    text += special != nullptr ? printable(special->content) : in_quotes(bytes);
    text += bytes.ends_with('\n') ? "\n" : " ";
  }
  if (text.ends_with(' ')) text.back() = '\n';
  text +=
      fmt::format("{} of {} that fit", format_count(std::ssize(view.ids)), counted(chat.session.context(), "token"));
  if (view.dropped_turns > 0) text += fmt::format("; without the oldest {}", counted(view.dropped_turns, "turn"));
  chat.talk.say(text + "\n");
}

void run_inspect_answer(Chat& chat, const std::string&) {
  const std::optional<Answer>& answer = chat.talk.last();
  check(answer && !answer->ids.empty(), "there is no answer to inspect yet");
  std::string text;
  double sum = 0;
  for (std::size_t i = 0; i < answer->ids.size(); ++i) {
    const double log_probability = answer->log_probabilities[i];
    sum += log_probability;
    text += fmt::format("{:7.3f} %  {}\n", 100 * std::exp(log_probability),
                        in_quotes(chat.tokenizer.token_bytes(answer->ids[i])));
  }
  const Index count = std::ssize(answer->ids);
  const double loss = -sum / static_cast<double>(count);
  text += fmt::format("{}: mean loss {:.4f} nats, perplexity {:.2f}; finish: {}\n", counted(count, "token"), loss,
                      std::exp(loss), name_of(answer->finish));
  chat.talk.say(text);
}

void run_quit(Chat& chat, const std::string&) { chat.has_ended = true; }

void run_help(Chat& chat, const std::string&);

constexpr std::array kChatCommands{
    ChatCommand{"/system", "TEXT", "set the system message; no TEXT removes it", run_system},
    ChatCommand{"/reset", "", "start a new conversation with the same system message", run_reset},
    ChatCommand{"/undo", "", "take back the last message and its answer", run_undo},
    ChatCommand{"/retry", "", "answer the last message again", run_retry},
    ChatCommand{"/save", "FILE", "write the conversation as a line of JSON, which training reads", run_save},
    ChatCommand{"/load", "FILE", "load a saved conversation and continue it", run_load},
    ChatCommand{"/tokens", "", "list the tokens that the model reads, and how many fit", run_tokens},
    ChatCommand{"/inspect", "", "list the tokens of the last answer, with their probabilities", run_inspect_answer},
    ChatCommand{"/help", "", "list the commands", run_help},
    ChatCommand{"/quit", "", "end the chat, as Ctrl-D does", run_quit},
};

void run_help(Chat& chat, const std::string&) {
  std::string text;
  for (const ChatCommand& command : kChatCommands) {
    const std::string call = fmt::format("{}{}{}", command.name, command.value.empty() ? "" : " ", command.value);
    text += fmt::format("{:<13} {}\n", call, command.help);
  }
  text +=
      "A line that ends with \\ continues in the next line.\n"
      "A message between \"\"\" and \"\"\" may have many lines.\n"
      "Ctrl-C stops an answer.\n";
  chat.talk.say(text);
}

}  // namespace

void run_chat_command(Chat& chat, std::string_view line) {
  const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
  const std::string_view name = line.substr(0, end);
  const std::string argument(trim_content(line.substr(end)));
  const auto command = std::ranges::find(kChatCommands, name, &ChatCommand::name);
  if (command == kChatCommands.end()) {
    std::array<std::string_view, kChatCommands.size()> names;
    std::ranges::transform(kChatCommands, names.begin(), &ChatCommand::name);
    const std::string_view meant = nearest(name, names);
    fail(ExitCode::usage, "unknown command \"{}\"{}; /help lists them", name,
         meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant));
  }
  check(!command->value.empty() || argument.empty(), "{} takes no argument", name);
  check(command->value != "FILE" || !argument.empty(), "{} needs the name of a file, as in {} talk.jsonl", name, name);
  command->run(chat, argument);
}

}  // namespace kiln::cli
