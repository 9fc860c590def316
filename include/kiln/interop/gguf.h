// GGUF version 3, the file of llama.cpp: keys with values, then tensors.
//
// Little-endian: "GGUF", u32 3, u64 number of tensors, u64 number of keys; for each key its name, u32 type, value; for
// each tensor its name, u32 number of dimensions, u64 sizes (the fastest first), u32 element type, u64 offset; then, at
// a multiple of 32 bytes, the elements, each tensor at a multiple of 32. A string is u64 length and bytes; an array is
// u32 type of the elements, u64 number, elements.
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

/// The number that GGUF has for an element type: F32, F16 or BF16.
std::uint32_t gguf_type(DataType type);

/// Writes a new file, flushed to the disk. Names of tensors are shorter than 64 bytes. Throws Error (io).
FileDigest write_gguf(const std::filesystem::path& path, std::span<const GgufKey> keys,
                      std::span<const TensorSource> tensors);

}  // namespace kiln
