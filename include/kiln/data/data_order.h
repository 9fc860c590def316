// In which order a run draws its windows of text.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace kiln {

/// shuffle: every epoch a seeded permutation of the windows; sequential: as they lie; random: with replacement.
enum class DataOrder { shuffle, sequential, random };
inline constexpr std::array<std::string_view, 3> kDataOrders{"shuffle", "sequential", "random"};
inline std::span<const std::string_view> names_of(DataOrder) { return kDataOrders; }

}  // namespace kiln
