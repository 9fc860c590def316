// Looks through all extents for each new sequence: they are few, and a forward costs far more.
#include "infer/cache_space.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace kiln {

std::optional<CachePlace> CacheSpace::take(std::span<const TokenId> prompt, Index positions, bool may_reuse) {
  const Index wanted = (positions + slot_size_ - 1) / slot_size_;
  Match match = may_reuse ? longest_match(prompt) : Match{extents_.end()};
  const auto begin_use = [&](CacheExtent& extent) {
    extent.slots = wanted;
    extent.tokens.assign(prompt.begin(), prompt.end());
    extent.cached = match.length;
    extent.in_use = true;
    return &extent;
  };
  const auto can_take_over = [&] {
    return match.length > 0 && !match.extent->in_use && room_at(match.extent) >= wanted;
  };
  if (can_take_over() && match.length == match.extent->cached) return CachePlace{begin_use(*match.extent)};
  if (holds_one_) {
    if (can_take_over()) return CachePlace{begin_use(*match.extent)};
    std::erase_if(extents_, [](const CacheExtent& extent) { return !extent.in_use; });
    match = {extents_.end()};
  }
  std::optional<Extents::iterator> next = gap(wanted, Counted::all);
  if (!next && can_take_over() && 2 * match.length >= match.extent->cached) {
    return CachePlace{begin_use(*match.extent)};
  }
  if (!next && !gap(wanted, Counted::in_use)) return std::nullopt;
  for (; !next; next = gap(wanted, Counted::all)) {
    if (drop_oldest(match.extent)) continue;
    if (can_take_over()) return CachePlace{begin_use(*match.extent)};
    match = {extents_.end()};  // itself makes room
    drop_oldest(match.extent);
  }
  const Index first = *next == extents_.begin() ? 0 : std::prev(*next)->first + std::prev(*next)->slots;
  CachePlace place{begin_use(*extents_.insert(*next, {.first = first}))};
  if (match.length > 0) place.copied_from = match.extent->first;
  return place;
}

void CacheSpace::release(CacheExtent& extent) {
  extent.tokens.resize(static_cast<std::size_t>(extent.cached));
  extent.slots = std::max<Index>(1, (extent.cached + slot_size_ - 1) / slot_size_);
  extent.in_use = false;
  extent.last_use = ++uses_;
}

/// Returns the extent whose cached tokens have the longest beginning in common with the prompt; of equals, the last
/// one used.
CacheSpace::Match CacheSpace::longest_match(std::span<const TokenId> prompt) {
  Match best{extents_.end()};
  const std::span<const TokenId> needed = prompt.first(prompt.size() - 1);
  for (auto extent = extents_.begin(); extent != extents_.end(); ++extent) {
    const std::span<const TokenId> cached(extent->tokens.data(), static_cast<std::size_t>(extent->cached));
    const Index length = std::ranges::mismatch(cached, needed).in1 - cached.begin();
    const bool is_later = length == best.length && length > 0 && extent->last_use > best.extent->last_use;
    if (length > best.length || is_later) best = {extent, length};
  }
  return best;
}

/// Returns the extent before which `slots` slots are free, end() for those after the last one; nullopt if there is no
/// such gap. Counts all extents, or takes those out of use for free.
std::optional<CacheSpace::Extents::iterator> CacheSpace::gap(Index slots, Counted counted) {
  Index end = 0;
  for (auto extent = extents_.begin(); extent != extents_.end(); ++extent) {
    if (counted == Counted::in_use && !extent->in_use) continue;
    if (extent->first - end >= slots) return extent;
    end = extent->first + extent->slots;
  }
  return slots_ - end >= slots ? std::optional(extents_.end()) : std::nullopt;
}

/// Returns the slots of an extent with the free ones after it.
Index CacheSpace::room_at(Extents::iterator extent) {
  const auto next = std::next(extent);
  return (next == extents_.end() ? slots_ : next->first) - extent->first;
}

/// Drops the extent out of use that was used the longest time ago. Returns false if there is none but `except`.
bool CacheSpace::drop_oldest(Extents::iterator except) {
  auto oldest = extents_.end();
  for (auto extent = extents_.begin(); extent != extents_.end(); ++extent) {
    if (extent->in_use || extent == except) continue;
    if (oldest == extents_.end() || extent->last_use < oldest->last_use) oldest = extent;
  }
  if (oldest == extents_.end()) return false;
  extents_.erase(oldest);
  return true;
}

}  // namespace kiln
