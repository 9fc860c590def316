// Joins lines with line feeds.
#include "cli/chat_entries.h"

#include "kiln/core/error.h"

#include <utility>

namespace kiln::cli {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";
const std::string kPrompt = "> ", kFurtherPrompt = ". ";

bool goes_on(std::string_view line) {
  const std::size_t last = line.find_last_not_of('\\');
  const std::size_t backslashes = line.size() - (last == std::string_view::npos ? 0 : last + 1);
  return backslashes % 2 == 1;
}

}  // namespace

ChatEntry ChatEntries::next() {
  using Kind = ChatEntry::Kind;
  Line line = read(kPrompt);
  const std::size_t number = read_;
  if (line.kind == Line::Kind::end) return {.kind = Kind::end, .line = number};
  if (line.kind == Line::Kind::interrupted) {
    return {.kind = Kind::interrupted, .text = std::move(line.text), .line = number};
  }
  if (line.text.starts_with('/')) return {.kind = Kind::command, .text = std::move(line.text), .line = number};
  if (line.text.starts_with(kQuotes)) return quoted(std::string_view(line.text).substr(kQuotes.size()), number);
  std::string text = std::move(line.text);
  while (goes_on(text)) {
    text.pop_back();
    Line more = read(kFurtherPrompt);
    if (more.kind == Line::Kind::interrupted)
      return {.kind = Kind::interrupted, .text = std::move(text), .line = number};
    if (more.kind == Line::Kind::end) break;
    text += "\n" + more.text;
  }
  return {.text = std::move(text), .line = number};
}

Line ChatEntries::read(const std::string& prompt) {
  Line line = lines_.read(prompt);
  if (line.text.ends_with('\r')) line.text.pop_back();
  if (line.kind == Line::Kind::text) ++read_;
  return line;
}

/// Returns the message in quotes whose first line continues with `begin`.
ChatEntry ChatEntries::quoted(std::string_view begin, std::size_t line) {
  std::string text;
  for (std::string part(begin);;) {
    const bool is_last = part.ends_with(kQuotes);
    if (is_last) part.resize(part.size() - kQuotes.size());
    text += part;
    if (is_last) return {.text = std::move(text), .line = line};
    text += '\n';
    Line more = read(kFurtherPrompt);
    if (more.kind == Line::Kind::interrupted) {
      return {.kind = ChatEntry::Kind::interrupted, .text = std::move(text), .line = line};
    }
    check(more.kind != Line::Kind::end, "the message that begins with \"\"\" has no end; end it with \"\"\"");
    part = std::move(more.text);
  }
}

}  // namespace kiln::cli
