// Writes pieces as they come; a terminal gets them without control characters.
#include "cli/chat_talk.h"

#include "kiln/core/format.h"
#include "kiln/core/json.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/terminal.h"
#include "kiln/core/utf8.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/commands.h"
#include "cli/log.h"
#include "cli/output.h"
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <unistd.h>
#include <utility>

namespace kiln::cli {
namespace {

/// Returns the last message of the user.
std::string last_message(const ChatSession& session) {
  const std::vector<ChatMessage>& messages = session.messages();
  const auto last = std::ranges::find(messages.rbegin(), messages.rend(), ChatRole::user, &ChatMessage::role);
  return last == messages.rend() ? std::string() : last->content;
}

}  // namespace

ChatTalk::ChatTalk(ChatSession& session, PendingSignals& signals, ChatOutput output)
    : session_(session), signals_(signals), output_(output), is_terminal_(is_terminal(STDOUT_FILENO)) {}

void ChatTalk::answer(const std::string& text) {
  show([&](const OnPiece& on_piece) { return session_.answer(text, on_piece); });
}

void ChatTalk::retry() {
  show([&](const OnPiece& on_piece) { return session_.retry(on_piece); });
}

void ChatTalk::say(std::string_view text) const {
  if (output_ == ChatOutput::json)
    return log_lines(spdlog::level::info, text.substr(0, text.find_last_not_of('\n') + 1));
  write_stdout(text);
}

void ChatTalk::note(std::string_view text) const {
  if (output_ != ChatOutput::person) return spdlog::info("{}", text);
  const bool color = output_has_color(STDOUT_FILENO);
  write_stdout(fmt::format("{}({}){}\n", color ? "\x1b[2m" : "", printable(text), color ? "\x1b[0m" : ""));
}

void ChatTalk::show(const std::function<Answer(const OnPiece&)>& ask) {
  ended_by_.reset();
  Answer answer = ask([this](std::string_view piece) { return hear(piece); });
  if (output_ == ChatOutput::text || (output_ == ChatOutput::person && !answer.text.empty())) write("\n");
  if (output_ != ChatOutput::json) report(answer);
  if (output_ == ChatOutput::person) write("\n");
  if (ended_by_) throw ExitWith{kSignalExit + *ended_by_};
  if (output_ == ChatOutput::json) {
    const Json line{{"user", utf8_replace_invalid(last_message(session_))},
                    {"answer", answer.text},
                    {"finish", name_of(answer.finish)},
                    {"tokens", answer.ids.size()},
                    {"dropped_turns", answer.dropped_turns}};
    write(printable(line.dump()) + "\n");  // whose escapes are those of JSON
  }
  dropped_turns_ = answer.dropped_turns;
  last_ = std::move(answer);
  if (last_->interrupted && last_->text.empty()) last_.reset();
}

/// Shows a piece of an answer; returns false if a signal ends the answer.
bool ChatTalk::hear(std::string_view piece) {
  if (output_ != ChatOutput::json && !piece.empty()) write(is_terminal_ ? printable_lines(piece) : std::string(piece));
  const PendingSignals::News news = signals_.take();
  if (news.suspended) signals_.suspend();
  if (news.ended) ended_by_ = news.ended;
  if (news.interrupted && output_ != ChatOutput::person) ended_by_ = SIGINT;
  return !news.interrupted && !news.ended;
}

/// Says what the text of the answer does not show.
void ChatTalk::report(const Answer& answer) {
  if (answer.dropped_turns > dropped_turns_) {
    const Index turns = answer.dropped_turns;
    note(fmt::format("the context of {} is full: the model no longer reads the oldest {}",
                     counted(session_.context(), "token"), turns == 1 ? "turn" : counted(turns, "turn")));
  }
  if (answer.interrupted) {
    note(answer.text.empty() ? "stopped before the answer began; the conversation is unchanged" : "stopped");
  } else if (answer.finish == Finish::length) {
    note(fmt::format("cut off after {}, see --max-tokens and --context", counted(std::ssize(answer.ids), "token")));
  } else if (answer.text.empty()) {
    note("an empty answer");
  }
}

void ChatTalk::write(std::string_view text) {
  write_stdout(text);
  if (std::ferror(stdout) != 0) throw ExitWith{0};  // the reader has closed the pipe
}

}  // namespace kiln::cli
