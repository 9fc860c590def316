// Implements the patterns' alternatives for ASCII, in order; each function returns where its run of bytes ends.
#include "text/ascii_pieces.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace kiln {
namespace {

// One bit per class, so that a set of classes is a mask.
enum Class : std::uint8_t { letter = 1, number = 2, space = 4, newline = 8, sign = 16, beyond = 32 };

constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> classes{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    const bool is_number = byte >= '0' && byte <= '9';
    const bool is_space = byte == ' ' || (byte >= '\t' && byte <= '\r');
    const bool is_newline = byte == '\r' || byte == '\n';
    const Class kind = is_letter ? letter : is_number ? number : is_space ? space : byte < 0x80 ? sign : beyond;
    classes[byte] = static_cast<std::uint8_t>(is_newline ? kind | newline : kind);
  }
  return classes;
}();

/// The classes of a text's bytes; class 0 past the end ends every run.
struct Bytes {
  std::string_view text;

  unsigned operator[](std::size_t at) const {
    return at < text.size() ? kClasses[static_cast<unsigned char>(text[at])] : 0u;
  }
  std::size_t run_end(std::size_t at, unsigned classes) const {
    while (at < text.size() && (kClasses[static_cast<unsigned char>(text[at])] & classes) != 0) ++at;
    return at;
  }
  /// Returns the end of a run, or 0 if a byte beyond ASCII might extend it.
  std::size_t closed_run(std::size_t at, unsigned classes) const {
    const std::size_t end = run_end(at, classes);
    return (*this)[end] == beyond ? 0 : end;
  }
};

/// Returns the length of a contraction, 's 't 're 've 'm 'll 'd, or 0.
std::size_t contraction(std::string_view text, bool any_case) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  const auto lower = [&](char c) { return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  const char first = lower(text[1]);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (text.size() < 3) return 0;
  const char second = lower(text[2]);
  return (second == 'e' && (first == 'r' || first == 'v')) || (first == 'l' && second == 'l') ? 3 : 0;
}

/// Matches \s+(?!\S)|\s+ on white space that ends at `end`: its last character belongs to the word that follows.
std::size_t white_space(const Bytes& bytes, std::size_t end) {
  if (end == 0) return 0;  // a byte beyond ASCII follows
  return end < bytes.text.size() && end > 1 ? end - 1 : end;
}

/// `single_digits`: splits digits off before it matches the rest.
std::size_t gpt2_piece(std::string_view text, bool single_digits) {
  const Bytes bytes{text};
  if (const std::size_t length = contraction(text, false)) return length;
  const unsigned apart = single_digits ? unsigned{number} : 0u;
  if ((bytes[0] & apart) != 0) return 1;
  const std::size_t start = text[0] == ' ' && text.size() > 1 && (bytes[1] & (space | beyond | apart)) == 0 ? 1 : 0;
  const unsigned kind = bytes[start];
  if ((kind & (letter | number | sign)) != 0) return bytes.closed_run(start, kind);
  if (kind == beyond) return 0;
  const std::size_t end = bytes.closed_run(0, space);
  return (bytes[end] & apart) != 0 ? end : white_space(bytes, end);
}

std::size_t cl100k_piece(std::string_view text) {
  const Bytes bytes{text};
  if (const std::size_t length = contraction(text, true)) return length;
  const unsigned first = bytes[0], second = bytes[1];
  if (first == beyond || (second == beyond && first != number)) return 0;
  if (first == letter) return bytes.closed_run(1, letter);
  if (second == letter && (first & (newline | number)) == 0) return bytes.closed_run(1, letter);
  if (first == number) {
    std::size_t end = 1;
    while (end < 3 && bytes[end] == number) ++end;
    return end < 3 && bytes[end] == beyond ? 0 : end;
  }
  if (first == sign || (text[0] == ' ' && second == sign)) {
    const std::size_t end = bytes.closed_run(first == sign ? 0 : 1, sign);
    return end == 0 ? 0 : bytes.run_end(end, newline);
  }
  const std::size_t end = bytes.closed_run(0, space);  // \s*[\r\n]+ ends at the run's last newline
  for (std::size_t last = end; last > 0; --last) {
    if ((bytes[last - 1] & newline) != 0) return last;
  }
  return white_space(bytes, end);
}

}  // namespace

std::size_t ascii_piece(SplitPattern pattern, std::string_view text) {
  return pattern == SplitPattern::cl100k ? cl100k_piece(text) : gpt2_piece(text, pattern == SplitPattern::gpt2_digits);
}

}  // namespace kiln
