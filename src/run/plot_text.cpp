// Character by character.
#include "kiln/run/plot_text.h"

#include "kiln/text/utf8.h"

#include <algorithm>

namespace kiln {
namespace {

/// Where the character that starts at text[at] ends.
std::size_t next_character(const std::string& text, std::size_t at) {
  return at + std::max<std::size_t>(1, utf8_length(text, at));
}

}  // namespace

std::string printable(const std::string& text) {
  const std::string valid = utf8_replace_invalid(text);
  std::string result;
  for (std::size_t at = 0; at < valid.size();) {
    const std::size_t end = next_character(valid, at);
    const char32_t c = utf8_decode(valid, at, end - at);
    const bool control = c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xFFFE || c == 0xFFFF;
    result += control ? "\uFFFD" : valid.substr(at, end - at);
    at = end;
  }
  return result;
}

int character_count(const std::string& text) {
  int count = 0;
  for (std::size_t at = 0; at < text.size(); at = next_character(text, at)) ++count;
  return count;
}

std::string shortened(const std::string& text, int most) {
  if (character_count(text) <= most) return text;
  std::size_t end = 0;
  for (int i = 0; i + 1 < most; ++i) end = next_character(text, end);
  return text.substr(0, end) + "…";
}

}  // namespace kiln
