// Places the labels of a plot so that none overlap, and shortens long names so that they stay distinct.
#pragma once

#include <string>
#include <vector>

namespace kiln {

/// Returns positions in [low, high], in the order of `wanted`, at least `gap` apart (or as far as all fit), with the
/// least sum of squared distances from the wanted positions. Requires low <= high.
std::vector<double> spread(const std::vector<double>& wanted, double gap, double low, double high);

/// Shortens the names to at most `most` columns. If any is longer, replaces a long common beginning by "…", then cuts
/// names that are still too long in the middle. Requires most >= 3.
std::vector<std::string> told_apart(std::vector<std::string> names, int most);

}  // namespace kiln
