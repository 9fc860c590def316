// Splits text into the pieces (words, numbers, runs of signs or white space) inside which BPE merges bytes.
#pragma once

#include "kiln/text/tokenizer_config.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace kiln {

/// Returns the regular expression as in tokenizer.json (Oniguruma's syntax, in which \s is Unicode's White_Space).
std::string_view pattern_regex(SplitPattern pattern);

/// Iterates over the pieces of a text. Every byte lies in exactly one piece. Each byte that belongs to no UTF-8
/// character is its own piece and ends a word. Takes linear time and constant memory. Splits ASCII by hand and the rest
/// by PCRE2 with JIT; tests compare the two. Patterns: GPT-2's encoder.py and tiktoken's cl100k_base; Hugging Face's
/// Digits (individual_digits) followed by GPT-2's.
class PieceReader {
 public:
  /// The text must outlive the reader.
  PieceReader(SplitPattern pattern, std::string_view text);
  ~PieceReader();
  PieceReader(const PieceReader&) = delete;
  PieceReader& operator=(const PieceReader&) = delete;

  /// Returns the next piece, empty at the end of the text. Throws Error (failure) if PCRE2 fails.
  std::string_view next();

  /// Fills `pieces` with the next pieces and returns their number, less than requested only at the end of the text.
  std::size_t read(std::span<std::string_view> pieces);

 private:
  std::size_t match_pattern();

  struct Matcher;
  SplitPattern pattern_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t valid_end_ = 0;         // end of the well-formed text around at_
  std::unique_ptr<Matcher> matcher_;  // created on first use
};

/// Returns all pieces of a text, by PieceReader.
std::vector<std::string_view> split_pieces(SplitPattern pattern, std::string_view text);

/// Splits a text into shares of about `share_bytes`, only where a piece ends under every pattern, so that the shares'
/// pieces are the text's pieces. A text without such a place stays in one share.
std::vector<std::string_view> split_shares(std::string_view text, std::size_t share_bytes);

}  // namespace kiln
