// Writes GGUF version 3, llama.cpp's file format: keys with values, then tensors.
//
// Little-endian: "GGUF", u32 3, u64 number of tensors, u64 number of keys; for each key its name, u32 type, value; for
// each tensor its name, u32 number of dimensions, u64 sizes (fastest-varying first), u32 element type, u64 offset;
// then, at a multiple of 32 bytes, the elements, each tensor at a multiple of 32. A string is u64 length and bytes; an
// array is u32 element type, u64 number, elements.
#pragma once

#include "kiln/core/hash.h"
#include "kiln/tensor/elements.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace kiln {

struct GgufKey {
  std::string name;
  std::variant<std::uint32_t, float, bool, std::string, std::vector<std::int32_t>, std::vector<std::string>> value;
};

/// Returns GGUF's number for an element type: F32, F16 or BF16.
std::uint32_t gguf_type(DataType type);

/// Writes a new file and flushes it to the disk. Tensor names must be shorter than 64 bytes. Throws Error (io).
FileDigest write_gguf(const std::filesystem::path& path, std::span<const GgufKey> keys,
                      std::span<const TensorSource> tensors);

}  // namespace kiln
