// Keys, variable-length integers, and lengths before what has one.
#include "kiln/run/protobuf.h"

#include <bit>

namespace kiln {
namespace {

enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

}  // namespace

void append_little_endian(std::string& bytes, std::uint64_t value, int count) {
  for (; count > 0; --count, value >>= 8) bytes += static_cast<char>(value & 0xFF);
}

void ProtoMessage::varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) encoded_ += static_cast<char>((value & 0x7F) | 0x80);
  encoded_ += static_cast<char>(value);
}

void ProtoMessage::key(int field, unsigned wire_type) { varint(static_cast<std::uint64_t>(field) << 3 | wire_type); }

void ProtoMessage::integer(int field, std::int64_t value) {
  key(field, kVarint);
  varint(static_cast<std::uint64_t>(value));
}

void ProtoMessage::real(int field, float value) {
  key(field, kFixed32);
  append_little_endian(encoded_, std::bit_cast<std::uint32_t>(value), sizeof value);
}

void ProtoMessage::real(int field, double value) {
  key(field, kFixed64);
  append_little_endian(encoded_, std::bit_cast<std::uint64_t>(value), sizeof value);
}

void ProtoMessage::bytes(int field, std::string_view value) {
  key(field, kLengthDelimited);
  varint(value.size());
  encoded_ += value;
}

void ProtoMessage::reals(int field, std::span<const double> values) {
  key(field, kLengthDelimited);
  varint(values.size() * sizeof(double));
  for (const double value : values) append_little_endian(encoded_, std::bit_cast<std::uint64_t>(value), sizeof value);
}

}  // namespace kiln
