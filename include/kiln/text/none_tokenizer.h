// Reads text that consists of token ids.
#pragma once

#include "kiln/text/tokenizer.h"

namespace kiln {

/// Appends the ids in a text, numbers separated by white space. Throws TextError (usage) for anything else, with what
/// was `expected`, and for a number outside [0, vocab_size). `text` begins at byte `offset` of the user's text.
void append_ids(std::string_view text, std::size_t offset, std::string_view expected, std::int64_t vocab_size,
                std::vector<TokenId>& ids);

class NoneTokenizer final : public Tokenizer {
 public:
  /// Has ids 0 to vocab_size - 1 and no special tokens.
  explicit NoneTokenizer(std::int64_t vocab_size);

  /// Ignores the documents.
  static std::unique_ptr<Tokenizer> make(const TokenizerConfig& config, std::span<const std::string_view> documents);

  std::string_view type() const override { return "none"; }
  std::int64_t vocab_size() const override { return vocab_size_; }
  /// Returns the ids as numbers separated by single spaces.
  std::string decode(std::span<const TokenId> ids, SpecialText special = SpecialText::content) const override;
  std::string token_bytes(TokenId id) const override;
  Json to_json() const override;

 protected:
  /// Reads numbers separated by white space. Throws TextError (usage) for anything else and for unknown ids.
  void encode_text(std::string_view text, std::size_t offset, std::vector<TokenId>& ids) const override;

 private:
  std::int64_t vocab_size_;
};

}  // namespace kiln
