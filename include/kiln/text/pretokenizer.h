// Cuts text into the pieces (words, numbers, runs of signs or white space) inside which BPE merges bytes.
#pragma once

#include "kiln/text/tokenizer_config.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace kiln {

/// The regular expression as tokenizer.json has it (Oniguruma's syntax, in which \s is Unicode's White_Space).
std::string_view pattern_regex(SplitPattern pattern);

/// Walks over the pieces of a text, in place. Every byte lies in exactly one piece; each byte that belongs to no UTF-8
/// character is a piece of its own, at which words end. Time is linear in the text and memory constant.
/// ASCII is cut by hand, the rest by PCRE2, compiled just in time; tests hold the two to each other.
/// Patterns: GPT-2's encoder.py and tiktoken's cl100k_base; Hugging Face's Digits (individual_digits) before GPT-2's.
class PieceReader {
 public:
  /// The text must outlive the reader.
  PieceReader(SplitPattern pattern, std::string_view text);
  ~PieceReader();
  PieceReader(const PieceReader&) = delete;
  PieceReader& operator=(const PieceReader&) = delete;

  /// The next piece, empty at the end of the text. Throws Error (failure) where PCRE2 gives up.
  std::string_view next();

  /// Fills `pieces` with the next ones and returns their number, less than asked for only at the end of the text.
  std::size_t read(std::span<std::string_view> pieces);

 private:
  std::size_t match_pattern();

  struct Matcher;
  SplitPattern pattern_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t valid_end_ = 0;         // end of the well-formed stretch that at_ lies in
  std::unique_ptr<Matcher> matcher_;  // made when the first piece needs it
};

/// All pieces of a text, by PieceReader.
std::vector<std::string_view> split_pieces(SplitPattern pattern, std::string_view text);

/// Cuts a text into shares of about `share_bytes` at places where a piece ends under every pattern, so that the
/// pieces of the shares are the pieces of the text. A text that offers no such place stays in one share.
std::vector<std::string_view> split_shares(std::string_view text, std::size_t share_bytes);

}  // namespace kiln
