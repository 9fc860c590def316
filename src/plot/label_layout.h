// Where the labels of a plot go, so that none lies on another, and how long names stay apart in little room.
#pragma once

#include <string>
#include <vector>

namespace kiln {

/// Positions in [low, high] in the order of the wanted ones, at least `gap` apart (as far as all fit), with the least
/// sum of squared distances from what was wanted. low <= high.
std::vector<double> spread(const std::vector<double>& wanted, double gap, double low, double high);

/// The names, each at most `most` columns wide. Where one is longer, the beginning that all share becomes "…"; what is
/// still too long loses its middle. most >= 3.
std::vector<std::string> told_apart(std::vector<std::string> names, int most);

}  // namespace kiln
