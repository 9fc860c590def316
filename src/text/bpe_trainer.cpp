// Updates pair counts incrementally: a merge touches only the words that contain its pair.
#include "kiln/text/bpe_trainer.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/text/byte_level.h"

#include "text/pair_map.h"
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <queue>
#include <unordered_set>
#include <utility>

namespace kiln {
namespace {

using WordIndex = std::uint32_t;

/// A distinct piece as tokens, symbols[begin, begin + length), and its number of occurrences.
struct Word {
  std::size_t begin;
  std::uint32_t length;
  std::int64_t count;
};

/// A pair's count in the text, and the words that contained it when last scanned (with duplicates and outdated ones).
struct PairState {
  std::int64_t count = 0;
  std::vector<WordIndex> words;
};

/// A pair with its count when pushed onto the heap; counts of old pairs only fall.
struct Candidate {
  std::int64_t count;
  TokenPair pair;

  bool operator<(const Candidate& other) const {  // top of the heap: the highest count, then the smallest ids
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class Trainer {
 public:
  Trainer(std::span<const PieceCount> pieces, std::span<const std::string> reserved)
      : taken_(reserved.begin(), reserved.end()) {
    std::array<TokenId, 256> byte_ids{};
    for (std::size_t id = 0; id < kByteOrder.size(); ++id) {
      byte_ids[kByteOrder[id]] = static_cast<TokenId>(id);
      tokens_.emplace_back(1, static_cast<char>(kByteOrder[id]));
    }
    std::size_t bytes = 0;
    for (const PieceCount& counted : pieces) bytes += counted.piece.size();
    symbols_.reserve(bytes);
    words_.reserve(pieces.size());
    for (const auto& [piece, count] : pieces) {
      words_.push_back({symbols_.size(), static_cast<std::uint32_t>(piece.size()), count});
      for (const char byte : piece) symbols_.push_back(byte_ids[static_cast<unsigned char>(byte)]);
    }
    count_all_pairs();
  }

  Bpe run(std::int64_t max_merges) {
    Work work("learning merges", static_cast<double>(max_merges), "merges");
    while (std::ssize(merges_) < max_merges && !heap_.empty()) {
      const Candidate best = heap_.top();
      heap_.pop();
      PairState& state = state_of(best.pair);
      if (state.count < 2) continue;
      if (state.count != best.count) {  // outdated: push it back with its new count
        heap_.push({state.count, best.pair});
        continue;
      }
      std::string bytes = bytes_of(best.pair.first) + bytes_of(best.pair.second);
      if (!taken_.insert(bytes).second) continue;
      const auto id = static_cast<TokenId>(tokens_.size());
      tokens_.push_back(std::move(bytes));
      merges_.push_back({best.pair.first, best.pair.second, id});
      apply(merges_.back(), std::exchange(state.words, {}));
      work.add(1);
    }
    return Bpe(std::move(tokens_), std::move(merges_));
  }

 private:
  const std::string& bytes_of(TokenId id) const { return tokens_[static_cast<std::size_t>(id)]; }

  PairState& state_of(TokenPair pair) {
    std::uint32_t& place = places_[pair];  // 1 + the index in states_
    if (place == 0) {
      states_.emplace_back();
      place = static_cast<std::uint32_t>(states_.size());
    }
    return states_[place - 1];
  }

  void add(TokenPair pair, std::int64_t count, WordIndex word) {
    PairState& state = state_of(pair);
    state.count += count;
    if (count > 0 && (state.words.empty() || state.words.back() != word)) state.words.push_back(word);
  }

  void count_all_pairs() {
    for (WordIndex index = 0; index < words_.size(); ++index) {
      const Word& word = words_[index];
      const TokenId* symbols = symbols_.data() + word.begin;
      for (std::uint32_t i = 1; i < word.length; ++i) add({symbols[i - 1], symbols[i]}, word.count, index);
    }
    places_.for_each([&](TokenPair pair, std::uint32_t place) { heap_.push({states_[place - 1].count, pair}); });
  }

  /// Merges the pair in the words that contain it; pushes the new pairs, all with the new token, onto the heap.
  void apply(const Merge& merge, const std::vector<WordIndex>& where) {
    fresh_.clear();
    for (const WordIndex index : where) join(merge, index);
    std::ranges::sort(fresh_);
    fresh_.erase(std::unique(fresh_.begin(), fresh_.end()), fresh_.end());  // clang 14 lacks ranges::unique
    for (const TokenPair& pair : fresh_) {
      if (const std::int64_t count = state_of(pair).count; count > 1) heap_.push({count, pair});
    }
  }

  /// Merges within one word: rewrites its symbols in place and updates the neighbours' counts.
  void join(const Merge& merge, WordIndex index) {
    Word& word = words_[index];
    TokenId* symbols = symbols_.data() + word.begin;
    std::uint32_t kept = 0;
    for (std::uint32_t i = 0; i < word.length;) {
      const bool match = i + 1 < word.length && symbols[i] == merge.left && symbols[i + 1] == merge.right;
      if (!match) {
        symbols[kept++] = symbols[i++];
        continue;
      }
      add({merge.left, merge.right}, -word.count, index);
      if (kept > 0) {
        add({symbols[kept - 1], merge.left}, -word.count, index);
        add_fresh({symbols[kept - 1], merge.result}, word.count, index);
      }
      if (i + 2 < word.length) {
        add({merge.right, symbols[i + 2]}, -word.count, index);
        add_fresh({merge.result, symbols[i + 2]}, word.count, index);
      }
      symbols[kept++] = merge.result;
      i += 2;
    }
    word.length = kept;
  }

  void add_fresh(TokenPair pair, std::int64_t count, WordIndex word) {
    add(pair, count, word);
    fresh_.push_back(pair);
  }

  std::vector<std::string> tokens_;
  std::vector<Merge> merges_;
  std::unordered_set<std::string> taken_;  // bytes that no further merge may produce
  std::vector<TokenId> symbols_;
  std::vector<Word> words_;
  PairMap<std::uint32_t> places_;
  std::vector<PairState> states_;
  std::priority_queue<Candidate> heap_;
  std::vector<TokenPair> fresh_;  // pairs made by the current merge
};

}  // namespace

Bpe train_bpe(std::span<const PieceCount> pieces, std::int64_t max_merges, std::span<const std::string> reserved) {
  check(pieces.size() < std::numeric_limits<WordIndex>::max(),
        "{} distinct pieces of text are more than the BPE trainer can hold; train it on a part of the text",
        format_count(std::ssize(pieces)));
  return Trainer(pieces, reserved).run(max_merges);
}

}  // namespace kiln
