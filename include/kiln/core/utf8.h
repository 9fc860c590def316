// Decodes, encodes and repairs UTF-8, including text with invalid bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kiln {

/// Returns the length (1 to 4 bytes) of the well-formed character that starts at text[at], or 0 if there is none
/// (a stray continuation byte, an overlong form, a surrogate, beyond U+10FFFF, cut short). Requires at < text.size().
std::size_t utf8_length(std::string_view text, std::size_t at);

/// Returns the code point of a character whose `length` utf8_length returned.
char32_t utf8_decode(std::string_view text, std::size_t at, std::size_t length);

/// Returns the UTF-8 bytes of a code point.
std::string utf8_encode(char32_t code_point);

/// Returns the end of the well-formed text that starts at `at`.
std::size_t utf8_valid_until(std::string_view text, std::size_t at = 0);

/// Replaces every byte that belongs to no character by U+FFFD, for JSON and terminals.
std::string utf8_replace_invalid(std::string_view text);

/// Returns how many bytes (0 to 3) at the end may begin a character whose rest is yet to come; streams hold them back.
std::size_t utf8_incomplete_tail(std::string_view text);

}  // namespace kiln
