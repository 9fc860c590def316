// Implements OpenAI's bytes_to_unicode table (encoder.py) in both directions.
#include "kiln/text/byte_level.h"

#include "kiln/core/error.h"
#include "kiln/core/utf8.h"

#include <cstddef>
#include <cstdint>

namespace kiln {
namespace {

constexpr std::size_t kPrintable = 188;  // bytes whose character is their own code point

constexpr bool prints(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<unsigned char, 256> make_byte_order() {
  std::array<unsigned char, 256> order{};
  std::size_t next = 0;
  for (const bool printing : {true, false}) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      if (prints(byte) == printing) order[next++] = static_cast<unsigned char>(byte);
    }
  }
  return order;
}

const std::array<std::string, 256>& characters_of_bytes() {
  static const std::array<std::string, 256> characters = [] {
    std::array<std::string, 256> result;
    for (std::size_t i = 0; i < kByteOrder.size(); ++i) {
      const auto code_point = static_cast<char32_t>(i < kPrintable ? kByteOrder[i] : 0x100 + i - kPrintable);
      result[kByteOrder[i]] = utf8_encode(code_point);
    }
    return result;
  }();
  return characters;
}

}  // namespace

constexpr std::array<unsigned char, 256> kByteOrder = make_byte_order();

std::string byte_level_encode(std::string_view bytes) {
  std::string result;
  for (const char byte : bytes) result += characters_of_bytes()[static_cast<unsigned char>(byte)];
  return result;
}

std::optional<std::string> byte_level_decode(std::string_view characters) {
  std::string bytes;
  for (std::size_t at = 0; at < characters.size();) {
    const std::size_t length = utf8_length(characters, at);
    if (length == 0) return std::nullopt;
    const char32_t code_point = utf8_decode(characters, at, length);
    const std::size_t other = code_point - 0x100 + kPrintable;  // its index in kByteOrder if it is not printable
    if (code_point < 0x100 && prints(code_point)) {
      bytes += static_cast<char>(code_point);
    } else if (code_point >= 0x100 && other < kByteOrder.size()) {
      bytes += static_cast<char>(kByteOrder[other]);
    } else {
      return std::nullopt;
    }
    at += length;
  }
  return bytes;
}

void check_names_no_byte(std::span<const std::string> special_tokens) {
  for (const std::string& content : special_tokens) {
    const std::optional<std::string> bytes = byte_level_decode(content);
    check(!bytes || bytes->size() != 1, "special token \"{}\" is a byte's token already; give it a longer name",
          content);
  }
}

}  // namespace kiln
