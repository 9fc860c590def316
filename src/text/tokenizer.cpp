// Finds special tokens, for all kinds of tokenizers; each kind encodes the text between them.
#include "kiln/text/tokenizer.h"

#include "kiln/core/error.h"
#include "kiln/text/bpe_tokenizer.h"
#include "kiln/text/document.h"
#include "kiln/text/none_tokenizer.h"
#include "kiln/text/tokenizer_json.h"

#include "text/byte_tokenizer.h"
#include "text/char_tokenizer.h"
#include <algorithm>

namespace kiln {

const std::array<TokenizerMaker, kTokenizerKinds.size()> kTokenizers{{
    {TokenizerKind::bpe, BpeTokenizer::make},
    {TokenizerKind::character, CharTokenizer::make},
    {TokenizerKind::byte, ByteTokenizer::make},
    {TokenizerKind::none, NoneTokenizer::make},
}};

std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerConfig& config, std::span<const std::string_view> documents) {
  if (config.path) return load_tokenizer(*config.path);
  const auto maker = std::ranges::find(kTokenizers, config.type, &TokenizerMaker::kind);
  return maker->make(config, documents);
}

Tokenizer::Tokenizer(std::vector<SpecialToken> special_tokens) : special_tokens_(std::move(special_tokens)) {
  std::ranges::sort(special_tokens_, {}, &SpecialToken::id);
  for (const SpecialToken& token : special_tokens_) {
    rounds_[token.normalized ? 1 : 0].push_back(token);
    may_begin_special_[static_cast<unsigned char>(token.content.front())] = true;
  }
  for (std::vector<SpecialToken>& tokens : rounds_) {
    std::ranges::stable_sort(tokens, std::ranges::greater{},
                             [](const SpecialToken& token) { return token.content.size(); });
  }
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, SpecialTokens special, std::size_t offset) const {
  std::vector<TokenId> ids;
  encode_round(0, text, special, offset, ids);
  return ids;
}

void Tokenizer::encode_round(std::size_t round, std::string_view text, SpecialTokens special, std::size_t offset,
                             std::vector<TokenId>& ids) const {
  if (round == rounds_.size()) return encode_text(text, offset, ids);
  const auto is_sought = [&](const SpecialToken& token) {
    return special == SpecialTokens::allow || token.in_any_text;
  };
  const auto encode_between = [&](std::size_t begin, std::size_t end) {
    encode_round(round + 1, text.substr(begin, end - begin), special, offset + begin, ids);
  };
  if (std::ranges::none_of(rounds_[round], is_sought)) return encode_between(0, text.size());
  std::size_t begin = 0;  // of the text since the last special token
  for (std::size_t at = 0; at < text.size();) {
    const SpecialToken* found = nullptr;
    if (may_begin_special_[static_cast<unsigned char>(text[at])]) {
      for (const SpecialToken& token : rounds_[round]) {
        if (!is_sought(token) || !text.substr(at).starts_with(token.content)) continue;
        found = &token;
        break;
      }
    }
    if (found == nullptr) {
      ++at;
      continue;
    }
    encode_between(begin, at);
    ids.push_back(found->id);
    at += found->content.size();
    begin = at;
  }
  encode_between(begin, text.size());
}

std::string Tokenizer::decode(std::span<const TokenId> ids, SpecialText special) const {
  std::string text;
  for (const TokenId id : ids) {
    const SpecialToken* token = special == SpecialText::meaning ? special_by_id(id) : nullptr;
    text += token != nullptr && !token->in_any_text ? std::string(special_meaning(token->content)) : token_bytes(id);
  }
  return text;
}

std::optional<TokenId> Tokenizer::special(std::string_view content) const {
  const auto found = std::ranges::find(special_tokens_, content, &SpecialToken::content);
  return found == special_tokens_.end() ? std::nullopt : std::optional(found->id);
}

void Tokenizer::check_id(TokenId id) const {
  check(id >= 0 && id < vocab_size(), "token id {} is not in the vocabulary; its ids are 0 to {}", id,
        vocab_size() - 1);
}

const SpecialToken* Tokenizer::special_by_id(TokenId id) const {
  const auto found = std::ranges::lower_bound(special_tokens_, id, {}, &SpecialToken::id);
  return found == special_tokens_.end() || found->id != id ? nullptr : &*found;
}

std::vector<SpecialToken> number_special_tokens(std::span<const std::string> contents, TokenId first_id) {
  std::vector<SpecialToken> tokens;
  for (const std::string& content : contents) {
    check(!content.empty(), "tokenizer.special_tokens has an empty name; give every special token some text");
    check(std::ranges::find(tokens, content, &SpecialToken::content) == tokens.end(),
          "tokenizer.special_tokens names \"{}\" twice; keep one", content);
    tokens.push_back({content, first_id + static_cast<TokenId>(tokens.size())});
  }
  return tokens;
}

}  // namespace kiln
