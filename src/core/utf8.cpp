// Checks UTF-8 by table 3-7 of the Unicode standard (section 3.9).
#include "kiln/core/utf8.h"

#include <algorithm>
#include <cstring>

namespace kiln {
namespace {

unsigned byte_at(std::string_view text, std::size_t at) { return static_cast<unsigned char>(text[at]); }

bool is_continuation(unsigned byte) { return (byte & 0xC0u) == 0x80u; }

/// Returns the length that a first byte announces; 0 for a byte that begins no character.
std::size_t announced_length(unsigned first) {
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  return first < 0xF5 ? 4 : 0;
}

/// Returns whether the second byte fits the first: no overlong form, no surrogate, nothing beyond U+10FFFF.
bool second_fits(unsigned first, unsigned second) {
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  return second >= low && second <= high;
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t at) {
  const unsigned first = byte_at(text, at);
  const std::size_t length = announced_length(first);
  if (length <= 1) return length;
  if (text.size() - at < length || !second_fits(first, byte_at(text, at + 1))) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (!is_continuation(byte_at(text, at + i))) return 0;
  }
  return length;
}

char32_t utf8_decode(std::string_view text, std::size_t at, std::size_t length) {
  const unsigned first = byte_at(text, at);
  if (length == 1) return first;
  char32_t code_point = first & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) code_point = code_point << 6 | (byte_at(text, at + i) & 0x3Fu);
  return code_point;
}

std::string utf8_encode(char32_t code_point) {
  const auto tail = [&](unsigned shift) { return static_cast<char>(0x80u | (code_point >> shift & 0x3Fu)); };
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  if (code_point < 0x800) return {static_cast<char>(0xC0u | code_point >> 6), tail(0)};
  if (code_point < 0x10000) return {static_cast<char>(0xE0u | code_point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0u | code_point >> 18), tail(12), tail(6), tail(0)};
}

std::size_t utf8_valid_until(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    std::uint64_t eight = 0;  // ASCII fast path: eight bytes at once
    if (text.size() - at >= sizeof eight) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const std::size_t length = utf8_length(text, at);
    if (length == 0) return at;
    at += length;
  }
  return at;
}

std::string utf8_replace_invalid(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = utf8_valid_until(text, at);
    result += text.substr(at, end - at);
    at = end;
    if (at < text.size()) {
      result += "\xEF\xBF\xBD";
      ++at;
    }
  }
  return result;
}

std::size_t utf8_incomplete_tail(std::string_view text) {
  for (std::size_t tail = 1; tail <= std::min<std::size_t>(3, text.size()); ++tail) {
    const std::size_t at = text.size() - tail;
    const unsigned first = byte_at(text, at);
    if (is_continuation(first)) continue;
    const bool begins = announced_length(first) > tail && (tail == 1 || second_fits(first, byte_at(text, at + 1)));
    return begins ? tail : 0;
  }
  return 0;
}

}  // namespace kiln
