// Translates tokens, merges and the split pattern's name for llama.cpp.
#include "kiln/interop/gguf_tokenizer.h"

#include "kiln/interop/unsupported.h"
#include "kiln/text/bpe_tokenizer.h"
#include "kiln/text/byte_level.h"
#include "kiln/text/document.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <unordered_map>
#include <unordered_set>

namespace kiln {
namespace {

constexpr std::string_view kKeys = "tokenizer.ggml.";
enum TokenType : std::int32_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };
constexpr std::array<std::string_view, 3> kEndKeys{"eos_token_id", "eot_token_id", "eom_token_id"};  // each ends a text
constexpr TokenId kAssumedEnd = 11;  // llama.cpp's default end of text for a "gpt2" tokenizer

struct GgufTokens {
  std::vector<std::string> texts;
  std::vector<std::int32_t> types;
};

GgufTokens tokens_of(const Tokenizer& tokenizer, Index vocab_size) {
  GgufTokens tokens;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    tokens.texts.push_back(byte_level_encode(tokenizer.token_bytes(id)));
    tokens.types.push_back(kNormal);
  }
  for (const SpecialToken& special : tokenizer.special_tokens()) {
    const auto at = static_cast<std::size_t>(special.id);
    tokens.texts[at] = special.content;
    tokens.types[at] = special.in_any_text ? kUserDefined : kControl;
  }
  for (Index id = tokenizer.vocab_size(); id < vocab_size; ++id) {
    tokens.texts.push_back(fmt::format("[PAD{}]", id));
    tokens.types.push_back(kUnused);
  }
  return tokens;
}

/// Returns the merges that build characters of several bytes: each joins a byte to the bytes before it.
std::vector<std::string> character_merges(const Tokenizer& tokenizer) {
  std::vector<std::string> merges;
  std::unordered_set<std::string> known;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string bytes = tokenizer.special_by_id(id) != nullptr ? "" : tokenizer.token_bytes(id);
    for (std::size_t at = 1; at < bytes.size(); ++at) {
      std::string merge = byte_level_encode(bytes.substr(0, at)) + " " + byte_level_encode(bytes.substr(at, 1));
      if (known.insert(merge).second) merges.push_back(std::move(merge));
    }
  }
  return merges;
}

std::vector<std::string> merges_of(const Tokenizer& tokenizer) {
  const auto* bpe = dynamic_cast<const BpeTokenizer*>(&tokenizer);
  if (bpe == nullptr) return character_merges(tokenizer);
  const auto name = [&](TokenId id) { return byte_level_encode(bpe->token_bytes(id)); };
  std::vector<std::string> merges;
  for (const Merge& merge : bpe->bpe().merges()) merges.push_back(name(merge.left) + " " + name(merge.right));
  return merges;
}

/// Returns llama.cpp's name for the pattern. Of its names for cl100k, "llama-bpe" also takes whole pieces first.
/// llama.cpp's pattern spells out both cases instead of ignoring case, and so misses the long s.
std::string pattern_name(const Tokenizer& tokenizer) {
  const auto* bpe = dynamic_cast<const BpeTokenizer*>(&tokenizer);
  if (bpe == nullptr || bpe->pattern() == SplitPattern::gpt2) return "gpt-2";
  if (bpe->pattern() == SplitPattern::gpt2_digits) return "smollm";
  return bpe->bpe().whole_pieces() ? "llama-bpe" : "dbrx";
}

bool is_none(const Tokenizer& tokenizer) { return tokenizer.type() == "none"; }

}  // namespace

std::vector<std::string> gguf_unsupported(const Tokenizer& tokenizer, Index vocab_size) {
  std::vector<std::string> reasons;
  if (is_none(tokenizer)) return reasons;
  const auto* bpe = dynamic_cast<const BpeTokenizer*>(&tokenizer);
  if (bpe != nullptr && bpe->bpe().whole_pieces() && bpe->pattern() != SplitPattern::cl100k) {
    reasons.emplace_back(
        "the tokenizer does not split words that are tokens (ignore_merges); llama.cpp does so only with cl100k's "
        "pattern");
  }
  const GgufTokens tokens = tokens_of(tokenizer, vocab_size);
  std::unordered_map<std::string_view, std::size_t> ids;
  for (std::size_t id = 0; id < tokens.texts.size(); ++id) {
    const auto [other, is_new] = ids.emplace(tokens.texts[id], id);
    if (is_new) continue;
    reasons.push_back(fmt::format("tokens {} and {} would both be written \"{}\", and llama.cpp takes each text once",
                                  other->second, id, tokens.texts[id]));
  }
  return reasons;
}

std::vector<std::string> gguf_warnings(const Tokenizer& tokenizer, const SpecialIds& ids) {
  std::vector<std::string> warnings;
  if (is_none(tokenizer)) return warnings;
  if (ids.ends.empty() && tokenizer.vocab_size() > kAssumedEnd) {
    warnings.push_back(fmt::format(
        "the model names no token that ends a text, so llama.cpp assumes token {} and ends texts there", kAssumedEnd));
  }
  if (ids.ends.size() > kEndKeys.size()) {
    warnings.push_back(fmt::format(
        "the model has {} tokens that end a text, but GGUF holds only {}; llama.cpp does not stop at the others",
        ids.ends.size(), kEndKeys.size()));
  }
  std::ranges::move(insertion_warnings(tokenizer, {kEndOfSentence, kParagraph}, "llama.cpp"),
                    std::back_inserter(warnings));
  return warnings;
}

std::vector<GgufKey> gguf_tokenizer_keys(const Tokenizer& tokenizer, Index vocab_size, const SpecialIds& ids) {
  std::vector<GgufKey> keys;
  const auto add = [&](std::string_view name, auto value) { keys.push_back({std::string(kKeys).append(name), value}); };
  if (is_none(tokenizer)) {
    add("model", std::string("none"));
    return keys;
  }
  add("model", std::string("gpt2"));
  add("pre", pattern_name(tokenizer));
  GgufTokens tokens = tokens_of(tokenizer, vocab_size);
  add("tokens", std::move(tokens.texts));
  add("token_type", std::move(tokens.types));
  add("merges", merges_of(tokenizer));
  if (ids.begin) add("bos_token_id", static_cast<std::uint32_t>(*ids.begin));
  for (std::size_t i = 0; i < std::min(ids.ends.size(), kEndKeys.size()); ++i) {
    add(kEndKeys[i], static_cast<std::uint32_t>(ids.ends[i]));
  }
  add("add_bos_token", ids.start.has_value() && ids.start == ids.begin);
  add("add_eos_token", false);
  return keys;
}

}  // namespace kiln
