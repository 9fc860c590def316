// One token a character (code point) of the training text; special tokens after them.
#pragma once

#include "kiln/text/tokenizer.h"

#include <unordered_map>

namespace kiln {

class CharTokenizer final : public Tokenizer {
 public:
  /// Ids 0, 1, ... go to the characters in the order given, each once.
  CharTokenizer(std::u32string characters, std::vector<SpecialToken> special_tokens);

  /// The documents' distinct characters, sorted by code point; config.vocab_size plays no part.
  /// Throws Error: usage where there is no character in any document, or a special token is one of them; bad_input
  /// where a document is not UTF-8, with the byte's place.
  static std::unique_ptr<Tokenizer> make(const TokenizerConfig& config, std::span<const std::string_view> documents);

  std::string_view type() const override { return "char"; }
  std::int64_t vocab_size() const override { return std::ssize(characters_) + std::ssize(special_tokens()); }
  std::string token_bytes(TokenId id) const override;
  Json to_json() const override;

 protected:
  /// Throws Error (usage) that names the first unknown character and where it stands.
  void encode_text(std::string_view text, std::size_t offset, std::vector<TokenId>& ids) const override;

 private:
  std::u32string characters_;
  std::array<TokenId, 128> ascii_;  // -1: not in the vocabulary
  std::unordered_map<char32_t, TokenId> ids_;
};

}  // namespace kiln
