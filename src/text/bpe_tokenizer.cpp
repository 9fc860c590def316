// Splits text into pieces, then merges; encodes long texts in shares on all threads.
#include "kiln/text/bpe_tokenizer.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/core/threads.h"
#include "kiln/text/bpe_trainer.h"
#include "kiln/text/byte_level.h"
#include "kiln/text/pretokenizer.h"

#include <nlohmann/json.hpp>

#include "text/tokenizer_schema.h"
#include <algorithm>

namespace kiln {
namespace {

constexpr std::size_t kShareBytes = 1 << 18;  // of text per task
constexpr std::size_t kPiecesAtATime = 256;

}  // namespace

BpeTokenizer::BpeTokenizer(Bpe bpe, SplitPattern pattern, std::vector<SpecialToken> special_tokens)
    : Tokenizer(std::move(special_tokens)), bpe_(std::move(bpe)), pattern_(pattern) {
  const std::vector<std::string>& tokens = bpe_.tokens();
  vocab_size_ = std::ssize(tokens);
  for (const SpecialToken& token : Tokenizer::special_tokens())
    vocab_size_ = std::max<std::int64_t>(vocab_size_, token.id + 1);
  for (TokenId id = 0; id < vocab_size_; ++id) {
    const bool merged = id < std::ssize(tokens) && !tokens[static_cast<std::size_t>(id)].empty();
    const bool special = special_by_id(id) != nullptr;
    check_input(merged || special, "the vocabulary has no token of id {}, but one of id {}; ids must have no gaps", id,
                vocab_size_ - 1);
    check_input(!merged || !special, "the vocabulary has two tokens of id {}; each must have its own", id);
  }
}

std::unique_ptr<Tokenizer> BpeTokenizer::make(const TokenizerConfig& config,
                                              std::span<const std::string_view> documents) {
  const auto specials = std::ssize(config.special_tokens);
  check(config.vocab_size >= kByteCount + specials,
        "tokenizer.vocab_size is {}; bpe needs at least {} (the 256 bytes and {})", config.vocab_size,
        kByteCount + specials, counted(specials, "special token"));
  check_names_no_byte(config.special_tokens);
  std::vector<std::string> reserved;  // bytes that no merge may produce
  for (const std::string& content : config.special_tokens) {
    if (std::optional<std::string> bytes = byte_level_decode(content)) reserved.push_back(*std::move(bytes));
  }
  Bpe bpe = train_bpe(count_pieces(config.pattern, documents), config.vocab_size - kByteCount - specials, reserved);
  const auto first_special = static_cast<TokenId>(bpe.tokens().size());
  return std::make_unique<BpeTokenizer>(std::move(bpe), config.pattern,
                                        number_special_tokens(config.special_tokens, first_special));
}

std::string BpeTokenizer::token_bytes(TokenId id) const {
  check_id(id);
  const SpecialToken* special = special_by_id(id);
  return special != nullptr ? special->content : bpe_.tokens()[static_cast<std::size_t>(id)];
}

void BpeTokenizer::encode_text(std::string_view text, std::size_t, std::vector<TokenId>& ids) const {
  if (text.empty()) return;
  const std::vector<std::string_view> shares = split_shares(text, kShareBytes);
  if (shares.size() == 1) return encode_share(text, ids);
  std::vector<std::vector<TokenId>> encoded(shares.size());
  parallel_each(std::ssize(shares), [&](std::int64_t share) {
    const auto at = static_cast<std::size_t>(share);
    encoded[at].reserve(shares[at].size() / 2);  // enough for nearly all text; costs nothing until used
    encode_share(shares[at], encoded[at]);
  });
  std::size_t total = ids.size();
  for (const std::vector<TokenId>& part : encoded) total += part.size();
  ids.reserve(total);
  for (std::vector<TokenId>& part : encoded) {
    ids.insert(ids.end(), part.begin(), part.end());
    std::vector<TokenId>().swap(part);  // frees memory: keeps a long text's ids only once
  }
}

void BpeTokenizer::encode_share(std::string_view share, std::vector<TokenId>& ids) const {
  std::unique_ptr<Bpe::Cache> cache = borrow_cache();
  PieceReader reader(pattern_, share);
  std::array<std::string_view, kPiecesAtATime> pieces;
  for (std::size_t count = pieces.size(); count == pieces.size();) {
    count = reader.read(pieces);
    bpe_.encode_pieces(share, std::span(pieces).first(count), *cache, ids);
  }
  return_cache(std::move(cache));
  Work::advance(std::ssize(share));
}

std::unique_ptr<Bpe::Cache> BpeTokenizer::borrow_cache() const {
  const std::lock_guard lock(mutex_);
  if (caches_.empty()) return std::make_unique<Bpe::Cache>();
  std::unique_ptr<Bpe::Cache> cache = std::move(caches_.back());
  caches_.pop_back();
  return cache;
}

void BpeTokenizer::return_cache(std::unique_ptr<Bpe::Cache> cache) const {
  const std::lock_guard lock(mutex_);
  caches_.push_back(std::move(cache));
}

namespace {

/// Returns the pre-tokenizers for the pattern. GPT-2's regular expression is ByteLevel's default.
Json pre_tokenizer_json(SplitPattern pattern) {
  const bool is_cl100k = pattern == SplitPattern::cl100k;
  if (pattern == SplitPattern::gpt2) return byte_level_json(true);
  const Json first =
      is_cl100k ? split_json(pattern_regex(pattern)) : Json{{"type", "Digits"}, {"individual_digits", true}};
  return {{"type", "Sequence"}, {"pretokenizers", {first, byte_level_json(!is_cl100k)}}};
}

}  // namespace

Json BpeTokenizer::to_json() const {
  Json vocab = Json::object();
  const std::vector<std::string>& tokens = bpe_.tokens();
  std::vector<std::string> names(static_cast<std::size_t>(vocab_size_));
  for (std::size_t id = 0; id < names.size(); ++id) {
    const SpecialToken* special = special_by_id(static_cast<TokenId>(id));
    names[id] = special != nullptr ? special->content : byte_level_encode(tokens[id]);
    append_member(vocab, names[id], id);
  }
  Json merges = Json::array();
  for (const Merge& merge : bpe_.merges()) {
    merges.push_back({names[static_cast<std::size_t>(merge.left)], names[static_cast<std::size_t>(merge.right)]});
  }
  Json model = bpe_model_json(std::move(vocab), std::move(merges));
  model["ignore_merges"] = bpe_.whole_pieces();
  return tokenizer_document(special_tokens(), pre_tokenizer_json(pattern_), byte_level_json(true), std::move(model));
}

}  // namespace kiln
