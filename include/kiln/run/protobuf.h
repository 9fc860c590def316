// Messages in the wire format of Protocol Buffers: as much of writing them as event files need.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

/// A message under construction, field after field, each with its number.
class ProtoMessage {
 public:
  void integer(int field, std::int64_t value);  // int64, bool and enumerations
  void real(int field, float value);
  void real(int field, double value);
  void bytes(int field, std::string_view value);  // strings too
  void message(int field, const ProtoMessage& value) { bytes(field, value.encoded()); }
  void reals(int field, std::span<const double> values);  // a repeated double, packed

  const std::string& encoded() const { return encoded_; }

 private:
  void varint(std::uint64_t value);
  void key(int field, unsigned wire_type);

  std::string encoded_;
};

/// Appends a number's bytes, the lowest first.
void append_little_endian(std::string& bytes, std::uint64_t value, int count);

}  // namespace kiln
