// Byte-level BPE behind the tokenizers' interface: any bytes in, the same bytes out.
#pragma once

#include "kiln/text/bpe.h"
#include "kiln/text/tokenizer.h"

#include <mutex>

namespace kiln {

class BpeTokenizer final : public Tokenizer {
 public:
  /// Special tokens' ids may not be BPE's. Throws Error (bad_input) where ids are missing or have two meanings.
  BpeTokenizer(Bpe bpe, SplitPattern pattern, std::vector<SpecialToken> special_tokens);

  /// Trains one of config.vocab_size entries (fewer where the text has no pair left that occurs twice): the 256 bytes,
  /// the merges, then the special tokens. Throws Error (usage) where there is no room for bytes and special tokens.
  static std::unique_ptr<Tokenizer> make(const TokenizerConfig& config, std::span<const std::string_view> documents);

  std::string_view type() const override { return "bpe"; }
  std::int64_t vocab_size() const override { return vocab_size_; }
  std::string token_bytes(TokenId id) const override;
  Json to_json() const override;

  const Bpe& bpe() const { return bpe_; }
  SplitPattern pattern() const { return pattern_; }

 protected:
  void encode_text(std::string_view text, std::size_t offset, std::vector<TokenId>& ids) const override;

 private:
  void encode_share(std::string_view share, std::vector<TokenId>& ids) const;

  /// A cache is borrowed for the time of a call, so that short texts find it warm.
  std::unique_ptr<Bpe::Cache> borrow_cache() const;
  void return_cache(std::unique_ptr<Bpe::Cache> cache) const;

  Bpe bpe_;
  SplitPattern pattern_;
  std::int64_t vocab_size_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Bpe::Cache>> caches_;
};

}  // namespace kiln
