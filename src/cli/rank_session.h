// Shows prompts with their answers to a rater, and takes orders.
#pragma once

#include "kiln/core/stopwatch.h"
#include "kiln/data/judgements.h"
#include "kiln/data/rankings.h"

#include "cli/chat_entries.h"
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {

class RankSession {
 public:
  /// `is_person`: at a terminal, where the session continues after a mistake.
  RankSession(std::span<const JudgedPrompt> prompts, std::vector<Showing> showings, RankingLog& log, LineSource& lines,
              bool is_person);

  /// Goes on until the rater ends it. Throws Error (usage) with "stdin:LINE" for a mistake of a
  /// script, Error (io), and what LineSource throws.
  void run();

  /// Commands.
  void skip();
  void undo();
  void quit() { has_ended_ = true; }
  void help() const;
  void show();
  void set_edit(std::string_view text);
  void set_note(std::string_view text);

 private:
  const Showing& showing() const;  // throws Error (usage) if all is judged
  const JudgedPrompt& prompt() const { return prompts_[showing().prompt]; }
  void go_to_next();
  void take(const ChatEntry& entry);
  void run_command(std::string_view line);
  void judge(std::string_view text);
  void record(const std::optional<ShownOrder>& order, std::string_view what);
  std::string text_after(std::string_view question);
  void say(std::string_view text) const;

  std::span<const JudgedPrompt> prompts_;
  std::vector<Showing> showings_;
  RankingLog& log_;
  ChatEntries entries_;
  bool is_person_;
  std::size_t current_ = 0;
  bool is_shown_ = false;
  bool has_ended_ = false;
  Remarks pending_;  // of the current showing
  Stopwatch since_shown_;
};

}  // namespace kiln::cli
