// Tokenizes text into the characters (code points) of the training text, followed by the special tokens.
#pragma once

#include "kiln/text/tokenizer.h"

#include <unordered_map>

namespace kiln {

class CharTokenizer final : public Tokenizer {
 public:
  /// Assigns ids 0, 1, ... to the characters in the order given; each must occur once.
  CharTokenizer(std::u32string characters, std::vector<SpecialToken> special_tokens);

  /// Makes a vocabulary of the documents' distinct characters, sorted by code point; ignores config.vocab_size. Throws
  /// Error: usage if the documents have no character, or a special token is one of their characters; bad_input if a
  /// document is not UTF-8, with the byte's offset.
  static std::unique_ptr<Tokenizer> make(const TokenizerConfig& config, std::span<const std::string_view> documents);

  std::string_view type() const override { return "char"; }
  std::int64_t vocab_size() const override { return std::ssize(characters_) + std::ssize(special_tokens()); }
  std::string token_bytes(TokenId id) const override;
  Json to_json() const override;

 protected:
  /// Throws TextError (usage) with the first unknown character and its offset.
  void encode_text(std::string_view text, std::size_t offset, std::vector<TokenId>& ids) const override;

 private:
  std::u32string characters_;
  std::array<TokenId, 128> ascii_;  // -1: not in the vocabulary
  std::unordered_map<char32_t, TokenId> ids_;
};

}  // namespace kiln
