// Processes text by characters; a byte that is not UTF-8 counts as a character.
#include "kiln/core/shown_text.h"

#include "kiln/core/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace kiln {
namespace {

struct Range {
  char32_t first, last;
};

/// Characters that would move the cursor, change colours, end the line or reorder the text around them.
constexpr std::array kUnsafe{Range{0x00, 0x1F},     Range{0x7F, 0x9F},     Range{0x2028, 0x202E},
                             Range{0x2066, 0x2069}, Range{0xFFFE, 0xFFFF}, Range{0xFEFF, 0xFEFF}};

/// Characters that terminals draw two columns wide.
constexpr std::array kWide{Range{0x1100, 0x115F},   Range{0x2E80, 0x303E},   Range{0x3041, 0xA4CF},
                           Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},
                           Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},   Range{0x1F300, 0x1F64F},
                           Range{0x1F680, 0x1F6FF}, Range{0x1F900, 0x1F9FF}, Range{0x20000, 0x3FFFD}};

/// Characters drawn over the one before them, or not at all.
constexpr std::array kZeroWidth{Range{0x0300, 0x036F}, Range{0x1AB0, 0x1AFF}, Range{0x1DC0, 0x1DFF},
                                Range{0x200B, 0x200F}, Range{0x20D0, 0x20FF}, Range{0xFE00, 0xFE0F}};

template <std::size_t N>
bool is_in(const std::array<Range, N>& ranges, char32_t c) {
  return std::ranges::any_of(ranges, [c](const Range& range) { return range.first <= c && c <= range.last; });
}

/// A character of a text, or a byte that belongs to none.
struct Character {
  std::string_view bytes;
  bool is_valid;
  char32_t code_point;  // the byte's value if it is not valid

  int columns() const {
    if (!is_valid) return 1;
    return is_in(kWide, code_point) ? 2 : is_in(kZeroWidth, code_point) ? 0 : 1;
  }
};

Character character_at(std::string_view text, std::size_t at) {
  const std::size_t length = utf8_length(text, at);
  if (length == 0) return {text.substr(at, 1), false, static_cast<unsigned char>(text[at])};
  return {text.substr(at, length), true, utf8_decode(text, at, length)};
}

void append_escaped(std::string& text, const Character& c) {
  if (!c.is_valid) {
    fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned>(c.code_point));
  } else if (c.code_point == '\n') {
    text += "\\n";
  } else if (c.code_point == '\r') {
    text += "\\r";
  } else if (c.code_point == '\t') {
    text += "\\t";
  } else {
    fmt::format_to(std::back_inserter(text), "\\u{:04x}", static_cast<unsigned>(c.code_point));
  }
}

std::string escaped(std::string_view text, bool keeps_lines) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    const bool is_kept = keeps_lines && (c.bytes == "\n" || c.bytes == "\t");
    const bool is_safe = is_kept || (c.is_valid && !is_in(kUnsafe, c.code_point));
    if (is_safe) {
      result += c.bytes;
    } else {
      append_escaped(result, c);
    }
    at += c.bytes.size();
  }
  return result;
}

/// Returns the word for a shell's $'...', with bytes that are not plain text escaped.
std::string escaped_for_shell(std::string_view word) {
  std::string escaped;
  for (const char c : word) {
    const bool is_plain = c >= ' ' && c <= '~' && c != '\'' && c != '\\';
    escaped += is_plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return escaped;
}

std::string spaces(int count) { return std::string(static_cast<std::size_t>(std::max(count, 0)), ' '); }

}  // namespace

std::string printable(std::string_view text) { return escaped(text, false); }

std::string printable_lines(std::string_view text) { return escaped(text, true); }

std::string shell_quoted(std::string_view word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  if (printable(word) != word) return "$'" + escaped_for_shell(word) + "'";
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

int display_columns(std::string_view text) {
  int columns = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    columns += c.columns();
    at += c.bytes.size();
  }
  return columns;
}

std::string shortened(std::string_view text, int most) {
  if (display_columns(text) <= most) return std::string(text);
  std::size_t end = 0;
  for (int columns = 0; end < text.size();) {
    const Character c = character_at(text, end);
    columns += c.columns();
    if (columns > most - 1) break;
    end += c.bytes.size();
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string padded_right(std::string_view text, int columns) {
  return std::string(text) + spaces(columns - display_columns(text));
}

std::string padded_left(std::string_view text, int columns) {
  return spaces(columns - display_columns(text)) + std::string(text);
}

}  // namespace kiln
