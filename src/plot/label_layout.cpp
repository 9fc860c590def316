// Moves labels that would overlap as one cluster, whose mean distance from the wanted positions is zero.
#include "plot/label_layout.h"

#include "kiln/core/shown_text.h"
#include "kiln/core/utf8.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string_view>

namespace kiln {
namespace {

constexpr int kWorthwhile = 6;  // the least width of a common beginning that is replaced

struct Cluster {
  double sum;  // of the positions wanted for its first label
  std::size_t count;
  double begin() const { return sum / static_cast<double>(count); }
};

std::size_t next_character(std::string_view text, std::size_t at) {
  return at + std::max<std::size_t>(1, utf8_length(text, at));
}

/// Returns the length in bytes of the common beginning, up to and including its last separator.
std::size_t shared_beginning(const std::vector<std::string>& names) {
  std::size_t shared = names[0].size();
  for (const std::string& name : names) {
    const auto [end, _] = std::mismatch(name.begin(), name.end(), names[0].begin(), names[0].end());
    shared = std::min(shared, static_cast<std::size_t>(end - name.begin()));
  }
  const std::size_t separator = std::string_view(names[0]).substr(0, shared).find_last_of("-_./ ,=");
  return separator == std::string_view::npos ? 0 : separator + 1;
}

/// Returns the text, or its beginning, "…" and its end if it is too long.
std::string without_middle(const std::string& text, int most) {
  if (display_columns(text) <= most) return text;
  const std::string head = shortened(text, (most + 1) / 2);  // ends in "…"
  const int left = most - display_columns(head);
  std::size_t begin = 0;
  while (display_columns(std::string_view(text).substr(begin)) > left) begin = next_character(text, begin);
  return head + text.substr(begin);
}

}  // namespace

std::vector<double> spread(const std::vector<double>& wanted, double gap, double low, double high) {
  const std::size_t count = wanted.size();
  if (count > 1) gap = std::min(gap, (high - low) / static_cast<double>(count - 1));
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return wanted[i]; });
  std::vector<Cluster> clusters;
  for (std::size_t rank = 0; rank < count; ++rank) {
    clusters.push_back({wanted[order[rank]] - static_cast<double>(rank) * gap, 1});
    while (clusters.size() > 1 && clusters[clusters.size() - 2].begin() > clusters.back().begin()) {
      const Cluster last = clusters.back();
      clusters.pop_back();
      clusters.back().sum += last.sum;
      clusters.back().count += last.count;
    }
  }
  std::vector<double> result(count);
  std::size_t rank = 0;
  for (const Cluster& cluster : clusters) {
    const double most = std::max(low, high - static_cast<double>(count - 1) * gap);
    const double begin = std::clamp(cluster.begin(), low, most);
    for (std::size_t i = 0; i < cluster.count; ++i, ++rank)
      result[order[rank]] = begin + static_cast<double>(rank) * gap;
  }
  return result;
}

std::vector<std::string> told_apart(std::vector<std::string> names, int most) {
  const auto is_long = [&](const std::string& name) { return display_columns(name) > most; };
  if (names.size() > 1 && std::ranges::any_of(names, is_long)) {
    const std::size_t shared = shared_beginning(names);
    if (display_columns(std::string_view(names[0]).substr(0, shared)) >= kWorthwhile) {
      for (std::string& name : names) name.replace(0, shared, "…");
    }
  }
  for (std::string& name : names) name = without_middle(name, most);
  return names;
}

}  // namespace kiln
