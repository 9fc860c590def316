// Tokenizes any bytes by byte-level BPE, without loss.
#pragma once

#include "kiln/text/bpe.h"
#include "kiln/text/tokenizer.h"

#include <mutex>

namespace kiln {

class BpeTokenizer final : public Tokenizer {
 public:
  /// Special tokens' ids must differ from BPE's. Throws Error (bad_input) if an id is missing or has two tokens.
  BpeTokenizer(Bpe bpe, SplitPattern pattern, std::vector<SpecialToken> special_tokens);

  /// Trains a tokenizer of config.vocab_size entries: the 256 bytes, the merges, then the special tokens. It has fewer
  /// entries if no remaining pair occurs twice. Throws Error (usage) if vocab_size is less than bytes and special
  /// tokens.
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

  /// Borrows a cache for the duration of a call, so that short texts find it warm.
  std::unique_ptr<Bpe::Cache> borrow_cache() const;
  void return_cache(std::unique_ptr<Bpe::Cache> cache) const;

  Bpe bpe_;
  SplitPattern pattern_;
  std::int64_t vocab_size_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Bpe::Cache>> caches_;
};

}  // namespace kiln
