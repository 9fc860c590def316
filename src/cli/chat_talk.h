// Shows what a model says in a chat while it says it, and lets Ctrl-C stop it.
#pragma once

#include "kiln/infer/chat_session.h"

#include "cli/pending_signals.h"
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace kiln::cli {

/// For whom the output is: a person at a terminal, a program that reads text, or one that reads JSON.
enum class ChatOutput { person, text, json };

class ChatTalk {
 public:
  ChatTalk(ChatSession& session, PendingSignals& signals, ChatOutput output);

  /// Answers a message, or the last message again. Ctrl-C stops the answer; except for a person, it also throws
  /// ExitWith, as SIGTERM and SIGHUP always do. Throws as ChatSession does.
  void answer(const std::string& text);
  void retry();

  /// Writes the result of a command: to stdout, or with JSON to stderr. Text from outside must be printable.
  void say(std::string_view text) const;

  /// Writes a remark on what has happened: to the person, otherwise to stderr.
  void note(std::string_view text) const;

  /// Returns the last answer, if the conversation still ends with it.
  const std::optional<Answer>& last() const { return last_; }
  void forget_last() { last_.reset(); }

 private:
  void show(const std::function<Answer(const OnPiece&)>& ask);
  bool hear(std::string_view piece);
  void report(const Answer& answer);
  static void write(std::string_view text);

  ChatSession& session_;
  PendingSignals& signals_;
  ChatOutput output_;
  bool is_terminal_;
  std::optional<Answer> last_;
  Index dropped_turns_ = 0;      // of the last answer
  std::optional<int> ended_by_;  // a signal during this answer
};

}  // namespace kiln::cli
