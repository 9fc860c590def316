// How much memory this process may still take.
#pragma once

#include "kiln/core/format.h"

#include <cstdint>

namespace kiln {

/// Bytes that can be allocated without pushing the machine into swap: Linux's MemAvailable, or what the control group
/// leaves where that is less; the largest value where neither can be read.
std::uint64_t available_memory_bytes();

/// The most memory this process has held so far (its peak resident set), in bytes.
std::uint64_t peak_memory_bytes();

}  // namespace kiln
