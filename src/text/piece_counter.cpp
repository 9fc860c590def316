// Counts distinct pieces: a hash table for each share of the text, then their sum.
#include "kiln/core/report.h"
#include "kiln/core/threads.h"
#include "kiln/text/bpe_trainer.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>

namespace kiln {
namespace {

/// A hash table of counts, open-addressed, whose keys are views into the text.
class Counter {
 public:
  void add(std::string_view piece, std::int64_t count) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    PieceCount& slot = place(piece);
    if (slot.count == 0) {
      slot.piece = piece;
      ++size_;
    }
    slot.count += count;
  }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const PieceCount& slot : slots_) {
      if (slot.count > 0) visit(slot);
    }
  }

  std::size_t size() const { return size_; }

 private:
  static std::uint64_t hash(std::string_view piece) {
    std::uint64_t result = piece.size();
    while (!piece.empty()) {
      std::uint64_t word = 0;
      const std::size_t taken = std::min(piece.size(), sizeof word);
      std::memcpy(&word, piece.data(), taken);
      result = (std::rotl(result, 29) ^ word) * 0x9E3779B97F4A7C15u;
      piece.remove_prefix(taken);
    }
    return result ^ result >> 32;
  }

  PieceCount& place(std::string_view piece) {
    std::size_t at = hash(piece) & (slots_.size() - 1);
    while (slots_[at].count > 0 && slots_[at].piece != piece) at = (at + 1) & (slots_.size() - 1);
    return slots_[at];
  }

  void grow() {
    const std::vector<PieceCount> old = std::exchange(slots_, std::vector<PieceCount>(2 * slots_.size()));
    for (const PieceCount& slot : old) {
      if (slot.count > 0) place(slot.piece) = slot;
    }
  }

  std::vector<PieceCount> slots_ = std::vector<PieceCount>(1 << 12);
  std::size_t size_ = 0;
};

constexpr std::size_t kToldAtATime = 1 << 18;  // bytes of text between progress reports

void count_share(SplitPattern pattern, std::string_view share, Counter& counter) {
  PieceReader reader(pattern, share);
  std::size_t told = 0, counted = 0;  // bytes
  for (std::string_view piece = reader.next(); !piece.empty(); piece = reader.next()) {
    counted += piece.size();
    if (counted - told >= kToldAtATime)
      Work::advance(static_cast<std::int64_t>(counted - std::exchange(told, counted)));
    for (; piece.size() > kLongestCounted; piece.remove_prefix(kLongestCounted)) {
      counter.add(piece.substr(0, kLongestCounted), 1);
    }
    counter.add(piece, 1);
  }
}

/// Deals shares of text into groups of about equal size, one per thread, so that there are few tables to sum.
std::vector<std::vector<std::string_view>> deal(std::span<const std::string_view> documents) {
  std::size_t total = 0;
  for (const std::string_view document : documents) total += document.size();
  const auto hands = static_cast<std::size_t>(threads());
  const std::size_t fair = total / hands + 1;
  std::vector<std::vector<std::string_view>> dealt(1);
  std::size_t held = 0;
  for (const std::string_view document : documents) {
    for (const std::string_view share : split_shares(document, fair)) {
      if (held >= fair) {
        dealt.emplace_back();
        held = 0;
      }
      dealt.back().push_back(share);
      held += share.size();
    }
  }
  return dealt;
}

}  // namespace

std::vector<PieceCount> count_pieces(SplitPattern pattern, std::span<const std::string_view> documents) {
  const std::vector<std::vector<std::string_view>> dealt = deal(documents);
  std::size_t bytes = 0;
  for (const std::string_view document : documents) bytes += document.size();
  const Work work("counting words", static_cast<double>(bytes), "bytes");
  std::vector<Counter> counters(dealt.size());
  parallel_each(static_cast<std::int64_t>(dealt.size()), [&](std::int64_t hand) {
    const auto at = static_cast<std::size_t>(hand);
    for (const std::string_view share : dealt[at]) count_share(pattern, share, counters[at]);
  });
  Counter& sum = counters.front();
  for (std::size_t i = 1; i < counters.size(); ++i) {
    counters[i].for_each([&](const PieceCount& counted) { sum.add(counted.piece, counted.count); });
  }
  std::vector<PieceCount> pieces;
  pieces.reserve(sum.size());
  sum.for_each([&](const PieceCount& counted) { pieces.push_back(counted); });
  return pieces;
}

}  // namespace kiln
