// Reports how much memory is available and how much this process uses.
#pragma once

#include <cstdint>
#include <filesystem>

namespace kiln {

/// Returns the bytes that can be allocated without swapping: Linux's MemAvailable, or what the control group leaves if
/// that is less. Returns the largest value if neither can be read.
std::uint64_t available_memory_bytes();

/// Returns the bytes that a control group (version 2) leaves. Its page cache counts as free, since it can be reclaimed.
/// Returns the largest value if the folder sets no limit ("max") or is not a control group's.
std::uint64_t memory_left_by(const std::filesystem::path& cgroup);

/// Returns the process's peak resident set size, in bytes.
std::uint64_t peak_memory_bytes();

/// Return the process's resident set size in bytes, now and at its peak since restart_peak_memory(); 0 if unknown.
std::uint64_t resident_memory_bytes();
std::uint64_t recent_peak_memory_bytes();
void restart_peak_memory();

}  // namespace kiln
