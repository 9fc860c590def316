// Applies merges in three ways: a scan for short pieces, a heap for long ones, windows for very long ones.
#include "kiln/text/bpe.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"

#include "text/pair_map.h"
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <queue>
#include <unordered_map>

namespace kiln {
namespace {

using Rank = std::uint32_t;
constexpr Rank kNoMerge = 0xFFFFFFFFu;
constexpr std::size_t kShortPiece = 64;   // bytes up to which a scan beats a heap
constexpr std::size_t kWindow = 1 << 11;  // bytes per heap
constexpr std::size_t kCacheSlots = 1 << 15;
constexpr std::size_t kCachedBytes = 32, kCachedIds = 23;  // a slot fills two cache lines
constexpr std::size_t kNearIds = 7;                        // ids in the first line

}  // namespace

struct Bpe::Tables {
  std::array<TokenId, 256> byte_ids{};
  std::vector<Rank> byte_pair_ranks = std::vector<Rank>(256 * 256, kNoMerge);  // indexed by the two bytes
  PairMap<Rank> ranks;
  bool ordered = true;                                  // each token has one merge, whose parts have earlier merges
  std::unordered_map<std::string_view, TokenId> whole;  // for whole_pieces

  explicit Tables(std::size_t merges) : ranks(merges), maybe(std::bit_ceil(16 * merges + 64) / 64) {}

  Rank rank(TokenId left, TokenId right) const {
    const auto [word, bit] = maybe_place({left, right});
    if ((maybe[word] & bit) == 0) return kNoMerge;
    const Rank* found = ranks.find({left, right});
    return found == nullptr ? kNoMerge : *found;
  }

  void set_rank(const Merge& merge, Rank rank) {
    ranks[{merge.left, merge.right}] = rank;
    const auto [word, bit] = maybe_place({merge.left, merge.right});
    maybe[word] |= bit;
  }

 private:
  // A Bloom filter of the pairs that merge. Most pairs do not, and it stays in a nearer cache than `ranks`.
  std::vector<std::uint64_t> maybe;

  std::pair<std::size_t, std::uint64_t> maybe_place(const TokenPair& pair) const {
    const std::uint64_t place = hash_pair(pair) >> (64 - std::countr_zero(64 * maybe.size()));
    return {place / 64, std::uint64_t{1} << place % 64};
  }
};

Bpe::Bpe(std::vector<std::string> tokens, std::vector<Merge> merges, bool whole_pieces)
    : tokens_(std::move(tokens)), merges_(std::move(merges)), whole_pieces_(whole_pieces) {
  auto tables = std::make_unique<Tables>(merges_.size());
  tables->byte_ids.fill(-1);
  std::vector<bool> made(tokens_.size());  // tokens built from bytes and the merges so far
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    if (tokens_[id].size() != 1) continue;
    tables->byte_ids[static_cast<unsigned char>(tokens_[id][0])] = static_cast<TokenId>(id);
    made[id] = true;
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    check_input(tables->byte_ids[byte] >= 0,
                "the vocabulary has no token for byte 0x{:02X}; byte-level BPE needs all 256", byte);
  }
  for (std::size_t rank = 0; rank < merges_.size(); ++rank) {
    const auto [left, right, result] = merges_[rank];
    tables->set_rank(merges_[rank], static_cast<Rank>(rank));
    const std::string& bytes = tokens_[static_cast<std::size_t>(result)];
    if (bytes.size() == 2) {
      const auto first = static_cast<unsigned char>(bytes[0]), second = static_cast<unsigned char>(bytes[1]);
      tables->byte_pair_ranks[std::size_t{first} * 256 + second] = static_cast<Rank>(rank);
    }
    if (!made[static_cast<std::size_t>(left)] || !made[static_cast<std::size_t>(right)] ||
        made[static_cast<std::size_t>(result)]) {
      tables->ordered = false;
    }
    made[static_cast<std::size_t>(result)] = true;
  }
  if (whole_pieces_) {
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (!tokens_[id].empty()) tables->whole.emplace(tokens_[id], static_cast<TokenId>(id));
    }
  }
  tables_ = std::move(tables);
}

Bpe::~Bpe() = default;
Bpe::Bpe(Bpe&&) noexcept = default;
Bpe& Bpe::operator=(Bpe&&) noexcept = default;

/// A piece (zero-padded) and its ids.
struct alignas(64) Bpe::Cache::Slot {
  std::array<std::uint64_t, kCachedBytes / 8> key;
  std::uint16_t length;  // of the piece; 0: empty slot
  std::uint16_t count;   // of ids
  std::array<TokenId, kCachedIds> ids;
};

void Bpe::Cache::Release::operator()(void* memory) const { std::free(memory); }

Bpe::Cache::Cache() {
  // calloc's zero pages cost nothing until used, so a cache for a short text is cheap. calloc aligns to less than a
  // cache line; the spare slot is for this.
  static_assert(sizeof(Slot) == 128);
  std::size_t bytes = (kCacheSlots + 1) * sizeof(Slot);
  memory_.reset(std::calloc(1, bytes));
  if (!memory_) throw std::bad_alloc();
  void* aligned = memory_.get();
  slots_ = static_cast<Slot*>(std::align(alignof(Slot), kCacheSlots * sizeof(Slot), aligned, bytes));
}

Bpe::Cache::~Cache() = default;

namespace {

using Key = std::array<std::uint64_t, kCachedBytes / 8>;

constexpr std::size_t kBatch = 32;  // pieces looked up together

// kMasks[n] keeps the first n bytes of a key.
constexpr std::array<Key, kCachedBytes + 1> kMasks = [] {
  std::array<Key, kCachedBytes + 1> masks{};
  for (std::size_t length = 0; length < masks.size(); ++length) {
    for (std::size_t byte = 0; byte < length; ++byte) masks[length][byte / 8] |= std::uint64_t{0xFF} << byte % 8 * 8;
  }
  return masks;
}();

/// Returns a piece as a cache key. Reads a constant length, which is faster than the piece's, and masks the bytes of
/// the text that follow the piece.
Key key_of(std::string_view piece, const char* text_end) {
  Key key{};
  if (static_cast<std::size_t>(text_end - piece.data()) >= sizeof key) {
    const Key& mask = kMasks[piece.size()];
    for (std::size_t word = 0; word < key.size(); ++word) {
      std::uint64_t bytes = 0;
      std::memcpy(&bytes, piece.data() + 8 * word, sizeof bytes);
      key[word] = bytes & mask[word];
    }
  } else {
    std::memcpy(key.data(), piece.data(), piece.size());
  }
  return key;
}

std::size_t slot_of(const Key& key) {
  const std::uint64_t mixed = key[0] ^ std::rotl(key[1], 23) ^ std::rotl(key[2], 41) ^ std::rotl(key[3], 7);
  return ((mixed ^ mixed >> 32) * 0x9E3779B97F4A7C15u) >> (64 - std::countr_zero(kCacheSlots));
}

bool same(const Key& a, const Key& b) {  // avoids the memcmp call of ==
  return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0;
}

}  // namespace

void Bpe::encode_piece(std::string_view piece, Cache& cache, std::vector<TokenId>& ids) const {
  encode_batch(piece, {&piece, 1}, cache, ids);
}

void Bpe::encode_pieces(std::string_view text, std::span<const std::string_view> pieces, Cache& cache,
                        std::vector<TokenId>& ids) const {
  for (; pieces.size() > kBatch; pieces = pieces.subspan(kBatch)) encode_batch(text, pieces.first(kBatch), cache, ids);
  encode_batch(text, pieces, cache, ids);
}

/// Encodes at most kBatch pieces: prefetches all slots, then reads them. Collects cached ids in `found`; copies have
/// constant length, and the next copy overwrites their surplus.
void Bpe::encode_batch(std::string_view text, std::span<const std::string_view> pieces, Cache& cache,
                       std::vector<TokenId>& ids) const {
  std::array<Key, kBatch> keys;
  std::array<Cache::Slot*, kBatch> slots;  // null: too long for the cache
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    slots[i] = nullptr;
    if (pieces[i].size() > kCachedBytes) continue;
    keys[i] = key_of(pieces[i], text.data() + text.size());
    slots[i] = &cache.slots_[slot_of(keys[i])];
    __builtin_prefetch(slots[i]);
  }
  std::array<TokenId, kBatch * kCachedIds> found;
  std::size_t count = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    Cache::Slot* slot = slots[i];
    if (slot != nullptr && slot->length == pieces[i].size() && same(slot->key, keys[i])) {
      TokenId* to = found.data() + count;
      std::copy_n(slot->ids.data(), kNearIds, to);
      if (slot->count > kNearIds) std::copy(slot->ids.begin() + kNearIds, slot->ids.end(), to + kNearIds);
      count += slot->count;
      continue;
    }
    ids.insert(ids.end(), found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count));
    count = 0;
    const std::size_t begin = ids.size();
    encode_uncached(pieces[i], ids);
    const std::size_t made = ids.size() - begin;
    if (slot == nullptr || made > kCachedIds) continue;
    slot->key = keys[i];
    std::copy_n(ids.begin() + static_cast<std::ptrdiff_t>(begin), made, slot->ids.begin());
    slot->length = static_cast<std::uint16_t>(pieces[i].size());
    slot->count = static_cast<std::uint16_t>(made);
  }
  ids.insert(ids.end(), found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count));
}

void Bpe::encode_uncached(std::string_view piece, std::vector<TokenId>& ids) const {
  if (whole_pieces_) {
    if (const auto found = tables_->whole.find(piece); found != tables_->whole.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  if (piece.size() <= kShortPiece) return encode_short(piece, ids);
  if (piece.size() <= kWindow || !tables_->ordered) return encode_by_heap(piece, ids);
  encode_by_windows(piece, ids);
}

/// Scans all pairs for the lowest rank, merges, closes the gap: quadratic, but fast for small n.
void Bpe::encode_short(std::string_view piece, std::vector<TokenId>& ids) const {
  std::array<TokenId, kShortPiece> tokens;
  std::array<Rank, kShortPiece> ranks;  // of the token and its right neighbour
  std::size_t count = piece.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto byte = static_cast<unsigned char>(piece[i]);
    tokens[i] = tables_->byte_ids[byte];
    ranks[i] = i + 1 == count
                   ? kNoMerge
                   : tables_->byte_pair_ranks[std::size_t{byte} * 256 + static_cast<unsigned char>(piece[i + 1])];
  }
  while (count > 1) {
    const std::size_t at =
        static_cast<std::size_t>(std::min_element(ranks.begin(), ranks.begin() + count) - ranks.begin());
    if (ranks[at] == kNoMerge) break;
    tokens[at] = merges_[ranks[at]].result;
    --count;
    std::copy(tokens.begin() + at + 2, tokens.begin() + count + 1, tokens.begin() + at + 1);
    std::copy(ranks.begin() + at + 2, ranks.begin() + count + 1, ranks.begin() + at + 1);
    ranks[at] = at + 1 < count ? tables_->rank(tokens[at], tokens[at + 1]) : kNoMerge;
    if (at > 0) ranks[at - 1] = tables_->rank(tokens[at - 1], tokens[at]);
  }
  ids.insert(ids.end(), tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count));
}

/// Keeps a linked list of tokens and a heap of pending merges; skips outdated entries when they surface. An entry is
/// rank << 32 | position: lowest rank first, then leftmost.
void Bpe::encode_by_heap(std::string_view piece, std::vector<TokenId>& ids) const {
  struct Node {
    TokenId id;
    Rank rank;  // with the next node; kNoMerge after the node was merged away
    std::uint32_t previous, next;
  };
  check(piece.size() < kNoMerge, "a piece of {} without a break is too long; put white space into it",
        counted(std::ssize(piece), "byte"));
  const auto count = static_cast<std::uint32_t>(piece.size());
  std::vector<Node> nodes(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    nodes[i] = {tables_->byte_ids[static_cast<unsigned char>(piece[i])], kNoMerge, i - 1, i + 1};
  }
  std::vector<std::uint64_t> waiting;
  const auto look_up = [&](std::uint32_t at) {
    Node& node = nodes[at];
    node.rank = node.next < count ? tables_->rank(node.id, nodes[node.next].id) : kNoMerge;
    return node.rank != kNoMerge;
  };
  const auto entry = [&](std::uint32_t at) { return std::uint64_t{nodes[at].rank} << 32 | at; };
  for (std::uint32_t at = 0; at < count; ++at) {
    if (look_up(at)) waiting.push_back(entry(at));
  }
  std::priority_queue heap(std::greater<std::uint64_t>{}, std::move(waiting));
  while (!heap.empty()) {
    const std::uint64_t top = heap.top();
    heap.pop();
    const auto at = static_cast<std::uint32_t>(top);
    Node& node = nodes[at];
    if (node.rank != top >> 32) continue;  // outdated
    node.id = merges_[node.rank].result;
    nodes[node.next].rank = kNoMerge;
    node.next = nodes[node.next].next;
    if (node.next < count) nodes[node.next].previous = at;
    if (look_up(at)) heap.push(entry(at));
    if (at > 0 && look_up(node.previous)) heap.push(entry(node.previous));
  }
  for (std::uint32_t at = 0; at < count; at = nodes[at].next) ids.push_back(nodes[at].id);
}

/// A token sequence is the encoding of its bytes exactly if every two neighbours are the encoding of theirs: ranks only
/// rise while merging, so the first merge across a border would also happen in the pair alone. So two windows'
/// sequences can be joined at a token that both have at the same offset, since all neighbours then come from one of
/// them. Each window starts at a token of the previous one; if the two disagree on that token, tries another token,
/// then a larger window. A piece whose end affects its beginning ends up in one heap.
void Bpe::encode_by_windows(std::string_view piece, std::vector<TokenId>& ids) const {
  const std::size_t before = ids.size();
  std::size_t start = 0, window = kWindow;
  std::vector<TokenId> row, next;
  encode_by_heap(piece.substr(0, window), row);
  while (start + window < piece.size()) {
    bool joined = false;
    for (std::size_t quarter = 3; quarter > 0 && !joined; --quarter) {
      const std::size_t shared = row.size() * quarter / 4;
      std::size_t offset = 0;
      for (std::size_t i = 0; i < shared; ++i) offset += tokens_[static_cast<std::size_t>(row[i])].size();
      if (offset == 0) continue;
      next.clear();
      encode_by_heap(piece.substr(start + offset, window), next);
      if (next.front() != row[shared]) continue;
      ids.insert(ids.end(), row.begin(), row.begin() + static_cast<std::ptrdiff_t>(shared));
      start += offset;
      row.swap(next);
      joined = true;
    }
    if (!joined) {
      const TokenId first = row.front();  // where the sequence before was joined
      window *= 2;
      row.clear();
      encode_by_heap(piece.substr(start, window), row);
      if (start > 0 && row.front() != first) {
        ids.resize(before);
        return encode_by_heap(piece, ids);
      }
    }
  }
  ids.insert(ids.end(), row.begin(), row.end());
}

}  // namespace kiln
