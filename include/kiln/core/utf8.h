// UTF-8 as it is met in the wild: which bytes are characters and which are not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kiln {

/// The number of bytes (1 to 4) of the well-formed character that starts at text[at], or 0 where none does
/// (a stray continuation byte, an overlong form, a surrogate, beyond U+10FFFF, cut short). Needs at < text.size().
std::size_t utf8_length(std::string_view text, std::size_t at);

/// The code point of a character of `length` bytes, as utf8_length found it.
char32_t utf8_decode(std::string_view text, std::size_t at, std::size_t length);

/// The UTF-8 bytes of a code point.
std::string utf8_encode(char32_t code_point);

/// The end of the longest well-formed stretch of text from `at` on.
std::size_t utf8_valid_until(std::string_view text, std::size_t at = 0);

/// The text with U+FFFD in the place of every byte that belongs to no character, for JSON and terminals.
std::string utf8_replace_invalid(std::string_view text);

/// How many bytes at the end of the text (0 to 3) may be the beginning of a character whose rest is yet to come;
/// a stream holds them back.
std::size_t utf8_incomplete_tail(std::string_view text);

}  // namespace kiln
