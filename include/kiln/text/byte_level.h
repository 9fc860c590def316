// Converts bytes to GPT-2's printable characters and back, so that vocabularies are text.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

/// The bytes in the order of GPT-2's ids 0 to 255: the 188 printable ones (0x21-7E, A1-AC, AE-FF), then the others,
/// each group ascending.
extern const std::array<unsigned char, 256> kByteOrder;

/// Returns bytes as characters: a printable byte becomes the code point of its value, the n-th other one U+0100+n
/// (a space is U+0120, a line feed U+010A).
std::string byte_level_encode(std::string_view bytes);

/// Returns the bytes that the characters encode, or nullopt if a character encodes no byte.
std::optional<std::string> byte_level_decode(std::string_view characters);

/// Throws Error (usage) if a special token is spelled like a byte's token: a vocabulary has each name once.
void check_names_no_byte(std::span<const std::string> special_tokens);

}  // namespace kiln
