// Every text of a prompt, an answer or a rater is made printable before a terminal gets it.
#include "cli/rank_session.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/nearest.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/terminal.h"
#include "kiln/core/utc_time.h"
#include "kiln/core/wrapped_text.h"

#include <spdlog/spdlog.h>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/rank_order.h"
#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <unistd.h>
#include <utility>

namespace kiln::cli {
namespace {

struct RankCommand {
  std::string_view name;
  std::string_view letter;  // the same, without a slash; empty if there is none
  std::string_view value;   // of its argument in the help; empty if it takes none
  std::string_view help;
  void (*run)(RankSession& session, std::string_view argument);
};

constexpr std::array kRankCommands{
    RankCommand{"/skip", "s", "", "do not judge this prompt", [](RankSession& s, std::string_view) { s.skip(); }},
    RankCommand{"/undo", "u", "", "take back your last judgement or skip, and judge that prompt again",
                [](RankSession& s, std::string_view) { s.undo(); }},
    RankCommand{"/edit", "", "TEXT", "say what you would have answered; it counts as the best. Then rank or skip",
                [](RankSession& s, std::string_view text) { s.set_edit(text); }},
    RankCommand{"/note", "", "TEXT", "keep a remark with the judgement. Then rank or skip",
                [](RankSession& s, std::string_view text) { s.set_note(text); }},
    RankCommand{"/show", "", "", "show the prompt and its answers again",
                [](RankSession& s, std::string_view) { s.show(); }},
    RankCommand{"/help", "?", "", "list the commands", [](RankSession& s, std::string_view) { s.help(); }},
    RankCommand{"/quit", "q", "", "end, as Ctrl-D does; the next start continues from here",
                [](RankSession& s, std::string_view) { s.quit(); }},
};

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// Returns a printable text after a label, each line after the first indented, so that no answer can look like two. On
/// a terminal lines are wrapped.
std::string block(std::string_view label, std::string_view text) {
  const bool wraps = is_terminal(STDOUT_FILENO);
  const int columns = wraps ? output_width(STDOUT_FILENO) - 1 : std::numeric_limits<int>::max();
  return wrapped(fmt::format("{}{}", label, text), columns, "   ") + "\n";
}

std::string shown(std::string_view text) {
  const std::string_view content = trimmed(text);
  return content.empty() ? "(empty)" : printable_lines(content);
}

}  // namespace

RankSession::RankSession(std::span<const JudgedPrompt> prompts, std::vector<Showing> showings, RankingLog& log,
                         LineSource& lines, bool is_person)
    : prompts_(prompts), showings_(std::move(showings)), log_(log), entries_(lines), is_person_(is_person) {}

void RankSession::run() {
  while (!has_ended_) {
    try {
      go_to_next();
      take(entries_.next());
    } catch (const Error& error) {
      if (error.code() != ExitCode::usage) throw;
      if (!is_person_) fail(error.code(), "stdin:{}: {}", entries_.line(), error.what());
      spdlog::error("{}", error.what());
    }
  }
  say(fmt::format("{} judged, {} skipped, {} left", format_count(log_.judged()), format_count(log_.skipped()),
                  format_count(static_cast<std::int64_t>(log_.left(showings_)))));
}

/// Shows the first showing without a verdict, unless it stands on the screen already.
void RankSession::go_to_next() {
  if (!is_shown_) log_.refresh();  // the rater may also rank in a browser
  current_ = log_.next(showings_);
  if (is_shown_) return;
  if (current_ < showings_.size()) return show();
  is_shown_ = true;
  say("all is judged; u takes the last judgement back, Ctrl-D or q ends");
}

const Showing& RankSession::showing() const {
  check(current_ < showings_.size(), "all is judged; u takes the last judgement back, Ctrl-D or q ends");
  return showings_[current_];
}

void RankSession::show() {
  const Showing& showing = this->showing();
  const bool color = output_has_color(STDOUT_FILENO);
  const auto mark = [color](const std::string& lines, std::size_t label) {
    return color ? fmt::format("\x1b[1m{}\x1b[0m{}", lines.substr(0, label), lines.substr(label)) : lines;
  };
  const std::string place = fmt::format("--- {} of {} ", current_ + 1, showings_.size());
  const int dashes = std::clamp(output_width(STDOUT_FILENO) - 1, 0, 60) - display_columns(place);
  std::string text = place + std::string(static_cast<std::size_t>(std::max(dashes, 0)), '-') + "\n";
  for (const ChatMessage& message : prompt().messages) {
    text += mark(block(fmt::format("{}: ", name_of(message.role)), shown(message.content)),
                 name_of(message.role).size() + 1);
  }
  for (std::size_t i = 0; i < showing.groups.size(); ++i) {
    const std::string label = fmt::format("{}) ", static_cast<char>('a' + i));
    text += "\n" + mark(block(label, shown(prompt().answers[showing.groups[i].front()].text)), 2);
  }
  write_stdout(text + "\n");
  if (std::ferror(stdout) != 0) throw ExitWith{0};  // the reader has closed the pipe
  if (!is_shown_) since_shown_ = Stopwatch();
  is_shown_ = true;
}

void RankSession::take(const ChatEntry& entry) {
  switch (entry.kind) {
    case ChatEntry::Kind::command:
      return run_command(entry.text);
    case ChatEntry::Kind::interrupted:
      if (entry.text.empty()) quit();
      return;
    case ChatEntry::Kind::end:
      if (is_person_) write_stdout("\n");
      return quit();
    case ChatEntry::Kind::message:
      break;
  }
  const std::string_view text = trimmed(entry.text);
  if (text.empty()) return;
  for (const RankCommand& command : kRankCommands) {
    if (!command.letter.empty() && text == command.letter) return command.run(*this, "");
  }
  judge(text);
}

void RankSession::run_command(std::string_view line) {
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string_view name = line.substr(0, space), argument = trimmed(line.substr(space));
  const auto* const command = std::ranges::find(kRankCommands, name, &RankCommand::name);
  if (command == kRankCommands.end()) {
    std::vector<std::string_view> names;
    for (const RankCommand& known : kRankCommands) names.push_back(known.name);
    const std::string_view meant = nearest(name, names);
    fail(ExitCode::usage, "unknown command \"{}\"{}", name,
         meant.empty() ? "; ? lists the commands" : fmt::format("; did you mean \"{}\"?", meant));
  }
  check(argument.empty() || !command->value.empty(), "{} takes no value", name);
  command->run(*this, argument);
}

/// Records the order that a rater typed, letters being answers in the order shown.
void RankSession::judge(std::string_view text) {
  const ShownOrder order = read_order(text, showing().groups.size());
  record(order, order_text(order));
}

void RankSession::skip() { record(std::nullopt, pending_.edit.empty() ? "skipped" : "your own answer > the others"); }

void RankSession::record(const std::optional<ShownOrder>& order, std::string_view what) {
  pending_.seconds = since_shown_.seconds();
  log_.add(prompt(), showing(), verdict_of(showing(), order, pending_), utc_now());
  pending_ = {};
  is_shown_ = false;
  say(fmt::format("{}; u takes it back", what));
}

void RankSession::undo() {
  log_.refresh();
  const auto undone = log_.undo(utc_now());
  check(undone.has_value(), "there is nothing to take back");
  const bool is_here = std::ranges::any_of(showings_, [&](const Showing& showing) {
    return showing.item == undone->first && showing.pass == undone->second;
  });
  pending_ = {};
  is_shown_ = false;
  say(is_here ? "taken back" : "taken back; that prompt is in another file of answers");
}

void RankSession::set_edit(std::string_view text) {
  showing();
  pending_.edit = text.empty() ? text_after("your answer: ") : std::string(text);
  check(!pending_.edit.empty(), "no text; your answer is not kept");
  say("kept; now rank the answers, or s: only your own is good");
}

void RankSession::set_note(std::string_view text) {
  showing();
  pending_.note = text.empty() ? text_after("note: ") : std::string(text);
  check(!pending_.note.empty(), "no text; the note is not kept");
  say("kept; now rank the answers");
}

/// Asks for a text, which may have several lines, as a message of a chat; "" if none is given.
std::string RankSession::text_after(std::string_view question) {
  if (is_person_) write_stdout(fmt::format("{}(\\ at its end continues a line)\n", question));
  const ChatEntry entry = entries_.next();
  if (entry.kind == ChatEntry::Kind::end) has_ended_ = true;
  const bool is_text = entry.kind == ChatEntry::Kind::message || entry.kind == ChatEntry::Kind::command;
  return is_text ? std::string(trimmed(entry.text)) : "";
}

void RankSession::help() const {
  std::string text = block(
      "",
      "Type the letters of the answers, the best first: b a c. Join equals by =: b a=c d. Letters that you leave out "
      "are worse than those you name, and not compared with each other. The commands:");
  for (const RankCommand& command : kRankCommands) {
    std::string name(command.name);
    if (!command.value.empty()) name += fmt::format(" {}", command.value);
    if (!command.letter.empty()) name += fmt::format(", {}", command.letter);
    text += block(fmt::format("  {:<12}  ", name), command.help);
  }
  write_stdout(text);
}

void RankSession::say(std::string_view text) const {
  const bool color = output_has_color(STDOUT_FILENO);
  write_stdout(fmt::format("{}({}){}\n", color ? "\x1b[2m" : "", printable(text), color ? "\x1b[0m" : ""));
}

}  // namespace kiln::cli
