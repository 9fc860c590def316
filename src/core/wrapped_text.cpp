// Fills each row with as many words as fit.
#include "kiln/core/wrapped_text.h"

#include "kiln/core/shown_text.h"

#include <algorithm>

namespace kiln {

std::string wrapped(std::string_view text, int columns, std::string_view indent) {
  const int room = columns - display_columns(indent);
  std::string result;
  const auto add_row = [&](std::string_view row, bool is_first) {
    if (!is_first) result.append("\n").append(indent);
    result += row;
  };
  for (bool is_first = true; is_first || !text.empty(); is_first = false) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    bool is_begun = false;
    do {
      std::size_t end = 0;  // of the row
      for (int used = 0; end < line.size();) {
        const std::size_t next = std::min(line.find(' ', line.find_first_not_of(' ', end)), line.size());
        used += display_columns(line.substr(end, next - end));  // spaces and a word
        if (end > 0 && used > room) break;
        end = next;
      }
      add_row(line.substr(0, end), is_first && !is_begun);
      is_begun = true;
      line.remove_prefix(std::min(line.find_first_not_of(' ', end), line.size()));
    } while (!line.empty());
  }
  return result;
}

}  // namespace kiln
