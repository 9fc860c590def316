// GPT-2's way to write bytes as printable characters, so that vocabularies are text.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

/// The bytes in the order of GPT-2's ids 0 to 255: the 188 that print for themselves (0x21-7E, A1-AC, AE-FF), then the
/// others, ascending.
extern const std::array<unsigned char, 256> kByteOrder;

/// Bytes as characters: a byte that prints stands for itself as a code point, the n-th other one is U+0100+n
/// (a space is U+0120, a line feed U+010A).
std::string byte_level_encode(std::string_view bytes);

/// The bytes that the characters stand for, or nothing where a character stands for no byte.
std::optional<std::string> byte_level_decode(std::string_view characters);

/// Throws Error (usage) where a special token is spelled as the token of a byte is: a vocabulary names each once.
void check_names_no_byte(std::span<const std::string> special_tokens);

}  // namespace kiln
