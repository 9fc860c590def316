// Cuts at multiples of a chunk within each parameter, so that any sharing works on the same chunks.
#include "kiln/tensor/chunks.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>

namespace kiln {
namespace {

// A region is a sixteenth of the layout, within these bounds: many enough to send some while others are computed, and
// large enough for the network.
constexpr Index kRegions = 16, kLeastElements = Index{1} << 16, kMostElements = Index{1} << 23;

}  // namespace

std::vector<Chunk> make_chunks(const ParameterLayout& layout) {
  std::vector<Chunk> chunks;
  for (const Parameter& p : layout.parameters()) {
    for (Index begin = 0; begin < p.size(); begin += kChunkElements) {
      chunks.push_back({p.id, p.first + begin, std::min(kChunkElements, p.size() - begin)});
    }
  }
  return chunks;
}

Partition::Partition(const ParameterLayout& layout, int ranks, MayCut may_cut)
    : layout_(&layout), chunks_(make_chunks(layout)) {
  const auto offset = [&](std::size_t i) {
    return i < chunks_.size() ? layout[chunks_[i].id].offset + chunks_[i].begin : layout.extent();
  };
  const auto begins_parameter = [&](std::size_t i) { return i == chunks_.size() || chunks_[i].begin == 0; };
  const auto is_cut = [&](std::size_t i) { return begins_parameter(i) || may_cut(layout[chunks_[i].id]); };
  Index whole = 0;  // the largest parameter that may not be cut
  for (const Parameter& p : layout.parameters()) whole = std::max(whole, may_cut(p) ? 0 : p.size());
  const Index usual = std::clamp(layout.extent() / kRegions, kLeastElements, kMostElements);
  const Index least = ranks == 1 ? layout.extent() : std::max(usual, whole * ranks);

  for (std::size_t first = 0, end = 0; first < chunks_.size(); first = end) {
    do {
      ++end;
    } while (end < chunks_.size() && (!begins_parameter(end) || offset(end) - offset(first) < least));
    if (layout.extent() - offset(end) < least) end = chunks_.size();  // no small region at the end
    Region region;
    std::size_t at = first;
    for (int rank = 0; rank <= ranks; ++rank) {
      const Index wanted = offset(first) + (offset(end) - offset(first)) * rank / ranks;
      std::size_t best = rank == ranks ? end : at;
      for (std::size_t i = at; rank < ranks && i <= end; ++i) {
        if (!is_cut(i)) continue;
        if (std::abs(offset(i) - wanted) < std::abs(offset(best) - wanted)) best = i;
        if (offset(i) >= wanted) break;
      }
      at = best;
      region.chunks.push_back(static_cast<Index>(at));
      region.elements.push_back(offset(at));
    }
    regions_.push_back(std::move(region));
  }
}

ParameterLayout Partition::share(int rank) const {
  std::vector<Chunk> slices;
  const auto r = static_cast<std::size_t>(rank);
  for (const Region& region : regions_) {
    for (Index i = region.chunks[r]; i < region.chunks[r + 1]; ++i) {
      const Chunk& chunk = chunks_[static_cast<std::size_t>(i)];
      if (!slices.empty() && slices.back().id.index == chunk.id.index) {
        slices.back().count += chunk.count;
      } else {
        slices.push_back(chunk);
      }
    }
  }
  return layout_->slices(slices);
}

}  // namespace kiln
