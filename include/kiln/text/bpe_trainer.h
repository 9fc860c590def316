// Trains a byte-level BPE tokenizer by merging the most frequent pair of neighbours.
#pragma once

#include "kiln/text/bpe.h"
#include "kiln/text/pretokenizer.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// A piece of text (a view into the documents) and how often it occurs.
struct PieceCount {
  std::string_view piece;
  std::int64_t count;
};

/// Returns the distinct pieces of the documents, in no particular order. Splits pieces longer than kLongestCounted
/// bytes into parts of that length, which bounds the cost of text without breaks. Uses all threads, over shares of the
/// text.
inline constexpr std::size_t kLongestCounted = 256;
std::vector<PieceCount> count_pieces(SplitPattern pattern, std::span<const std::string_view> documents);

/// Trains at most `max_merges` merges. Each merges the pair with the highest count; of equal counts the one with the
/// smallest left id, then right id. Ids are GPT-2's: the bytes in kByteOrder, then merge k as 256+k. Skips a pair whose
/// bytes are already a token or in `reserved` (special tokens). Stops when no pair occurs twice. The result is the same
/// for any number of threads. Updates counts incrementally, with a lazy heap. Sennrich et al., arXiv:1508.07909.
Bpe train_bpe(std::span<const PieceCount> pieces, std::int64_t max_merges, std::span<const std::string> reserved = {});

}  // namespace kiln
