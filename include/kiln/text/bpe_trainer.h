// Learns byte-level BPE from text: which pairs of neighbours to join, the most frequent first.
#pragma once

#include "kiln/text/bpe.h"
#include "kiln/text/pretokenizer.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// A piece of text (within the documents) and how often it occurs.
struct PieceCount {
  std::string_view piece;
  std::int64_t count;
};

/// The distinct pieces of the documents, in no particular order; pieces longer than kLongestCounted bytes are counted
/// as parts of that length, which bounds the cost of text without breaks. Uses all threads, over shares of the text.
inline constexpr std::size_t kLongestCounted = 256;
std::vector<PieceCount> count_pieces(SplitPattern pattern, std::span<const std::string_view> documents);

/// Trains at most `max_merges` merges: time and again the pair with the highest count becomes a token, of equal counts
/// the one with the smallest left id, then right id. Ids are GPT-2's: the bytes in kByteOrder, then merge k as 256+k.
/// A pair whose bytes are a token already, or stand in `reserved` (special tokens), is passed over. Ends early when no
/// pair occurs twice. The same for any number of threads. Counts are kept up to date merge by merge with a lazy heap.
/// Sennrich et al., arXiv:1508.07909.
Bpe train_bpe(std::span<const PieceCount> pieces, std::int64_t max_merges, std::span<const std::string> reserved = {});

}  // namespace kiln
