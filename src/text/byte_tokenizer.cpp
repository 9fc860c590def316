// Writes tokenizer.json as byte-level BPE without merges, whose ids are the bytes' values.
#include "text/byte_tokenizer.h"

#include "kiln/core/report.h"
#include "kiln/text/byte_level.h"

#include <nlohmann/json.hpp>

#include "text/tokenizer_schema.h"

namespace kiln {

ByteTokenizer::ByteTokenizer(std::vector<SpecialToken> special_tokens) : Tokenizer(std::move(special_tokens)) {}

std::unique_ptr<Tokenizer> ByteTokenizer::make(const TokenizerConfig& config, std::span<const std::string_view>) {
  check_names_no_byte(config.special_tokens);
  return std::make_unique<ByteTokenizer>(number_special_tokens(config.special_tokens, kByteCount));
}

std::string ByteTokenizer::token_bytes(TokenId id) const {
  check_id(id);
  const SpecialToken* special = special_by_id(id);
  return special != nullptr ? special->content : std::string(1, static_cast<char>(id));
}

void ByteTokenizer::encode_text(std::string_view text, std::size_t, std::vector<TokenId>& ids) const {
  ids.reserve(ids.size() + text.size());
  for (const char byte : text) ids.push_back(static_cast<unsigned char>(byte));
  Work::advance(std::ssize(text));
}

Json ByteTokenizer::to_json() const {
  Json vocab = Json::object();
  for (TokenId id = 0; id < kByteCount; ++id) append_member(vocab, byte_level_encode(token_bytes(id)), id);
  for (const SpecialToken& token : special_tokens()) append_member(vocab, token.content, token.id);
  return tokenizer_document(special_tokens(), byte_level_json(false), byte_level_json(true),
                            bpe_model_json(std::move(vocab), Json::array()));
}

}  // namespace kiln
