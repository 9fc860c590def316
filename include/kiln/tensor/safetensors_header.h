// Parses and checks the header of a safetensors file: which tensors it holds, and where.
#pragma once

#include "kiln/tensor/view.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Element types, in the format's ascending rank; files list the highest rank first.
enum class DataType { boolean, u8, i8, f8_e5m2, f8_e4m3, i16, u16, f16, bf16, i32, u32, f32, f64, i64, u64 };

std::string_view name_of(DataType type);  // "F32"
std::uint64_t size_of(DataType type);     // in bytes

/// A tensor, whose elements lie, row-major and little-endian, at [begin, end) of the data after the header.
struct TensorInfo {
  std::string name;
  DataType type = DataType::f32;
  std::vector<Index> shape;
  std::uint64_t begin = 0, end = 0;

  Index elements() const { return static_cast<Index>((end - begin) / size_of(type)); }
};

/// Returns "[2, 3]".
std::string shape_text(std::span<const Index> shape);

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their data
  std::map<std::string, std::string> metadata;
};

/// Parses the JSON text of a header and checks it against the data's size: no duplicate keys or names, no overlaps, no
/// gaps, every tensor as large as its shape says. Throws Error (bad_input) that starts with `source`.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_size, std::string_view source);

/// Returns the JSON text for tensors whose offsets are set, padded with spaces to a multiple of 8 bytes.
std::string format_safetensors_header(std::span<const TensorInfo> tensors,
                                      const std::map<std::string, std::string>& metadata);

}  // namespace kiln
