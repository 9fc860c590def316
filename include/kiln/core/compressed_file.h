// Reads files that gzip or zstd compressed, whole and into memory.
#pragma once

#include "kiln/core/memory.h"

#include <cstdint>
#include <filesystem>
#include <string>

namespace kiln {

/// Returns whether a file's name ends in .gz or .zst, in any case.
bool is_compressed(const std::filesystem::path& file);

/// Returns the file's path without .gz or .zst: its extension tells what was compressed. Other paths stay.
std::filesystem::path without_compression(const std::filesystem::path& file);

/// Returns the file's bytes, decompressed if its name ends in .gz or .zst; its first bytes say by which of the two.
/// Reads several gzip members or zstd frames in a row. Throws Error as read_file does, and (bad_input) if the file is
/// not compressed, damaged, cut short or followed by other bytes, or if more than `most_bytes` come out.
std::string read_decompressed(const std::filesystem::path& file, std::uint64_t most_bytes = available_memory_bytes());

}  // namespace kiln
