// Maps pairs of token ids to small values: a hash table with open addressing in one block, for BPE's inner loops.
#pragma once

#include "kiln/text/token.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kiln {

using TokenPair = std::pair<TokenId, TokenId>;

/// Returns a hash whose upper bits are well mixed.
inline std::uint64_t hash_pair(const TokenPair& pair) {
  const std::uint64_t key =
      std::uint64_t{static_cast<std::uint32_t>(pair.first)} << 32 | static_cast<std::uint32_t>(pair.second);
  return key * 0x9E3779B97F4A7C15u;
}

template <class Value>
class PairMap {
 public:
  /// Reserves space for `count` pairs.
  explicit PairMap(std::size_t count = 0) : slots_(std::bit_ceil(2 * count + 16)) {}

  /// Returns the pair's value, or null. Valid until the next insertion.
  const Value* find(TokenPair pair) const {
    const Slot& slot = slots_[place(pair)];
    return slot.pair.first == kEmpty ? nullptr : &slot.value;
  }

  /// Returns the pair's value; inserts one if it is missing. Valid until the next insertion.
  Value& operator[](TokenPair pair) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[place(pair)];
    if (slot.pair.first == kEmpty) {
      slot.pair = pair;
      ++size_;
    }
    return slot.value;
  }

  /// Calls visit(pair, value) for each pair, in no particular order.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Slot& slot : slots_) {
      if (slot.pair.first != kEmpty) visit(slot.pair, slot.value);
    }
  }

 private:
  static constexpr TokenId kEmpty = -1;
  struct Slot {
    TokenPair pair{kEmpty, kEmpty};
    Value value{};
  };

  /// Returns the pair's slot, or the empty slot for it.
  std::size_t place(TokenPair pair) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash_pair(pair) >> (64 - std::countr_zero(slots_.size()));
    while (slots_[at].pair.first != kEmpty && slots_[at].pair != pair) at = (at + 1) & mask;
    return at;
  }

  void grow() {
    std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
    for (Slot& slot : old) {
      if (slot.pair.first != kEmpty) slots_[place(slot.pair)] = std::move(slot);
    }
  }

  std::vector<Slot> slots_;  // a power of two, at most half full
  std::size_t size_ = 0;
};

}  // namespace kiln
