// Shares the positions of a key/value cache among sequences, and finds what earlier ones left in it.
#pragma once

#include "kiln/tensor/view.h"
#include "kiln/text/token.h"

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <vector>

namespace kiln {

/// Neighbouring slots of a cache that belong to one sequence.
struct CacheExtent {
  Index first = 0, slots = 0;
  std::vector<TokenId> tokens = {};  // of the sequence; the first `cached` have keys and values here
  Index cached = 0;
  bool in_use = false;
  std::uint64_t last_use = 0;
};

/// A place for a sequence in the cache.
struct CachePlace {
  CacheExtent* extent = nullptr;          // in use, with the prompt's tokens
  std::optional<Index> copied_from = {};  // slot from which the caller copies extent->cached positions, at once
};

/// Divides a cache of `slots` slots with `slot_size` positions each. After use, an extent keeps its tokens until
/// another sequence needs the room.
class CacheSpace {
 public:
  /// With `holds_one`, only one sequence at a time is kept: a copy would be in the way of a conversation that grows.
  CacheSpace(Index slots, Index slot_size, bool holds_one = false)
      : slots_(slots), slot_size_(slot_size), holds_one_(holds_one) {}

  Index positions() const { return slots_ * slot_size_; }

  /// Takes room for `positions` tokens that begin with the prompt. With `may_reuse`, sets `cached` to the length of the
  /// longest common beginning with any extent, at most all but the prompt's last token, which must be fed for its
  /// logits. Continues an extent out of use in its place, if the prompt begins with all of it or room is short; else
  /// copies what they share. Drops extents out of use for room, the least recently used first. Returns nullopt, and
  /// drops nothing, if those in use leave no room.
  std::optional<CachePlace> take(std::span<const TokenId> prompt, Index positions, bool may_reuse);

  /// Ends the use of an extent; keeps the tokens that are cached.
  void release(CacheExtent& extent);

 private:
  using Extents = std::list<CacheExtent>;  // by first slot
  enum class Counted { all, in_use };

  struct Match {
    Extents::iterator extent;
    Index length = 0;
  };
  Match longest_match(std::span<const TokenId> prompt);
  std::optional<Extents::iterator> gap(Index slots, Counted counted);
  Index room_at(Extents::iterator extent);
  bool drop_oldest(Extents::iterator except);

  Index slots_, slot_size_;
  bool holds_one_;
  Extents extents_;
  std::uint64_t uses_ = 0;
};

}  // namespace kiln
