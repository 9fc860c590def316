// Configures a run's tokenizer and its training.
#pragma once

#include "kiln/core/fields.h"

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// bpe: byte-level byte pair encoding (arXiv:1508.07909); char: the text's distinct characters, sorted; byte: the 256
/// bytes; none: the data are token ids.
enum class TokenizerKind { bpe, character, byte, none };
inline constexpr std::array<std::string_view, 4> kTokenizerKinds{"bpe", "char", "byte", "none"};
inline std::span<const std::string_view> names_of(TokenizerKind) { return kTokenizerKinds; }

/// How byte-level BPE splits text: as GPT-2, as GPT-4's cl100k, or as GPT-2 with single digits (SmolLM, StarCoder).
enum class SplitPattern { gpt2, cl100k, gpt2_digits };
inline constexpr std::array<std::string_view, 3> kSplitPatterns{"gpt2", "cl100k", "gpt2_digits"};
inline std::span<const std::string_view> names_of(SplitPattern) { return kSplitPatterns; }

inline constexpr std::int64_t kByteCount = 256;  // byte tokens at the start of a byte-level vocabulary

struct TokenizerConfig {
  TokenizerKind type = TokenizerKind::bpe;
  std::int64_t vocab_size = 1024;
  SplitPattern pattern = SplitPattern::gpt2;
  std::vector<std::string> special_tokens{"<|endoftext|>"};
  std::optional<std::string> start_of_text;
  std::optional<std::string> end_of_text;
  std::optional<std::string> path;

  /// Adds a problem for a BPE vocabulary smaller than bytes and special tokens, and for empty or repeated special
  /// tokens.
  void validate(Problems& problems, const std::string& pointer) const;

  template <class V>
  void visit(V& v) {
    v("type", type,
      "bpe: byte-level byte-pair encoding; char: one token per character; byte: one token per byte; none: the data are "
      "token ids");
    v("vocab_size", vocab_size,
      "size of the vocabulary; bpe: includes the 256 bytes and the special tokens; none: the number of ids",
      between(1, std::numeric_limits<std::int32_t>::max()));
    v("pattern", pattern,
      "how bpe splits text into words: like GPT-2, like GPT-4's cl100k, or like GPT-2 with single digits (SmolLM)");
    v("special_tokens", special_tokens, "special tokens; bpe never merges them with text");
    v("start_of_text", start_of_text,
      "token before each document; \"\": none; null: the token of the model or the tokenizer, else <|start|> if the "
      "vocabulary has it");
    v("end_of_text", end_of_text,
      "token after each document, which also ends a sample; \"\": none; null: the token of the model or the tokenizer, "
      "else <|endoftext|> if the vocabulary has it");
    v("path", path,
      "tokenizer to use: a tokenizer.json, or a folder with one or with vocab.json and merges.txt; null: train one");
  }
};

}  // namespace kiln
