// Names the orders in which a run can draw its windows of text.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace kiln {

/// shuffle: a new seeded permutation of the windows each epoch; sequential: in text order; random: with replacement.
enum class DataOrder { shuffle, sequential, random };
inline constexpr std::array<std::string_view, 3> kDataOrders{"shuffle", "sequential", "random"};
inline std::span<const std::string_view> names_of(DataOrder) { return kDataOrders; }

}  // namespace kiln
