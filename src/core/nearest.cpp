// Computes edit distances with the full table, since names are short.
#include "kiln/core/nearest.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

namespace kiln {
namespace {

constexpr std::size_t kShortestBeginning = 2;  // characters from which a word may complete to a name

bool same(char a, char b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return lower(a) == lower(b);
}

/// Returns the optimal string alignment distance: Levenshtein's, with a swap of neighbours as one edit.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> table((a.size() + 1) * width);
  auto at = [&](std::size_t i, std::size_t j) -> std::size_t& { return table[i * width + j]; };
  for (std::size_t i = 0; i <= a.size(); ++i) at(i, 0) = i;
  for (std::size_t j = 0; j <= b.size(); ++j) at(0, j) = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = at(i - 1, j - 1) + (same(a[i - 1], b[j - 1]) ? 0 : 1);
      at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, change});
      const bool swapped = i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]);
      if (swapped) at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
    }
  }
  return at(a.size(), b.size());
}

}  // namespace

std::vector<std::string_view> beginning_with(std::string_view word, std::span<const std::string_view> candidates) {
  std::vector<std::string_view> found;
  if (word.size() < kShortestBeginning) return found;
  std::ranges::copy_if(candidates, std::back_inserter(found),
                       [word](std::string_view candidate) { return candidate.starts_with(word); });
  return found;
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  const std::vector<std::string_view> completed = beginning_with(word, candidates);
  if (completed.size() == 1) return completed[0];
  if (!completed.empty()) candidates = completed;
  std::string_view best;
  std::size_t limit = std::max<std::size_t>(word.size() / 3, 1) + 1;  // exclusive
  for (std::string_view candidate : candidates) {
    const std::size_t longer = std::max(word.size(), candidate.size());
    const std::size_t shorter = std::min(word.size(), candidate.size());
    if (longer - shorter >= limit) continue;  // too far by length alone
    const std::size_t distance = edit_distance(word, candidate);
    if (distance >= limit) continue;
    best = candidate;
    limit = distance;
  }
  return best;
}

}  // namespace kiln
