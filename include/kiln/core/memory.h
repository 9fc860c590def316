// How much memory this process may still take.
#pragma once

#include <cstdint>
#include <filesystem>

namespace kiln {

/// Bytes that can be allocated without pushing the machine into swap: Linux's MemAvailable, or what the control group
/// leaves where that is less; the largest value where neither can be read.
std::uint64_t available_memory_bytes();

/// Bytes that a control group of version 2 leaves; cached file pages, which it counts as used, make room when asked.
/// The largest value where the folder sets no limit ("max") or is none of a control group.
std::uint64_t memory_left_by(const std::filesystem::path& cgroup);

/// The most memory this process has held so far (its peak resident set), in bytes.
std::uint64_t peak_memory_bytes();

/// The memory that this process holds now, and the most since restart_peak_memory was called; 0 where the system does
/// not tell.
std::uint64_t resident_memory_bytes();
std::uint64_t recent_peak_memory_bytes();
void restart_peak_memory();

}  // namespace kiln
