// Trains one vocabulary for all sizes: its first merges are those of a smaller one.
#include "train/vocabulary_options.h"

#include "kiln/core/threads.h"
#include "kiln/text/bpe_trainer.h"
#include "kiln/text/byte_level.h"

#include <algorithm>
#include <atomic>

namespace kiln {
namespace {

constexpr std::int64_t kSmallest = 512, kLargest = 32768;
constexpr std::int64_t kPiecesAtATime = 8192;

/// Returns the first `size` entries of a vocabulary, without special tokens.
Bpe beginning_of(const Bpe& bpe, std::int64_t size) {
  const auto tokens = static_cast<std::ptrdiff_t>(size);
  return {{bpe.tokens().begin(), bpe.tokens().begin() + tokens},
          {bpe.merges().begin(), bpe.merges().begin() + tokens - kByteCount}};
}

/// Returns the number of tokens of the pieces, each times its count.
std::int64_t count_tokens(const Bpe& bpe, const std::vector<PieceCount>& pieces) {
  std::atomic<std::int64_t> total = 0;
  const std::int64_t shares = (std::ssize(pieces) + kPiecesAtATime - 1) / kPiecesAtATime;
  parallel_each(shares, [&](std::int64_t share) {
    Bpe::Cache cache;
    std::vector<TokenId> ids;
    std::int64_t tokens = 0;
    const std::int64_t end = std::min<std::int64_t>((share + 1) * kPiecesAtATime, std::ssize(pieces));
    for (std::int64_t i = share * kPiecesAtATime; i < end; ++i) {
      const PieceCount& piece = pieces[static_cast<std::size_t>(i)];
      ids.clear();
      bpe.encode_piece(piece.piece, cache, ids);
      tokens += std::ssize(ids) * piece.count;
    }
    total += tokens;
  });
  return total;
}

}  // namespace

std::vector<VocabularyOption> vocabulary_options(const TokenizerConfig& config, const Documents& sample) {
  const auto specials = std::ssize(config.special_tokens);
  const std::vector<PieceCount> pieces = count_pieces(config.pattern, sample);
  const Bpe largest = train_bpe(pieces, kLargest - kByteCount - specials, config.special_tokens);
  std::int64_t bytes = 0;
  for (const std::string_view document : sample) bytes += std::ssize(document);
  std::vector<VocabularyOption> options;
  for (std::int64_t size = kSmallest; size <= kLargest; size *= 2) {
    const bool is_whole = size - specials >= std::ssize(largest.tokens());
    if (is_whole && !options.empty()) break;
    const std::int64_t tokens =
        is_whole ? count_tokens(largest, pieces) : count_tokens(beginning_of(largest, size - specials), pieces);
    options.push_back({.size = size, .bytes_per_token = static_cast<double>(bytes) / static_cast<double>(tokens)});
  }
  return options;
}

}  // namespace kiln
