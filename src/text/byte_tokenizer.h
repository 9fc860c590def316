// Tokenizes text into bytes: id = byte, special tokens from 256 on.
#pragma once

#include "kiln/text/tokenizer.h"

namespace kiln {

class ByteTokenizer final : public Tokenizer {
 public:
  explicit ByteTokenizer(std::vector<SpecialToken> special_tokens);

  /// Ignores the documents.
  static std::unique_ptr<Tokenizer> make(const TokenizerConfig& config, std::span<const std::string_view> documents);

  std::string_view type() const override { return "byte"; }
  std::int64_t vocab_size() const override { return kByteCount + std::ssize(special_tokens()); }
  std::string token_bytes(TokenId id) const override;
  Json to_json() const override;

 protected:
  void encode_text(std::string_view text, std::size_t offset, std::vector<TokenId>& ids) const override;
};

}  // namespace kiln
