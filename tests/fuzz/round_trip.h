// What every tokenizer promises, whatever file it came from.
#pragma once

#include "kiln/text/tokenizer_json.h"

#include "target.h"

namespace kiln::fuzz {

/// Requires that ids are those of the vocabulary and that they decode to the text, where the tokenizer can encode it.
inline void require_round_trip(const Tokenizer& tokenizer, std::string_view text, SpecialTokens special) {
  std::vector<TokenId> ids;
  try {
    ids = tokenizer.encode(text, special);
  } catch (const Error& error) {
    require(error.code() == ExitCode::usage, "{}", error.what());
    require(tokenizer.type() == "char" || tokenizer.type() == "none", "a text that {} cannot encode: {}",
            tokenizer.type(), error.what());
    return;
  }
  for (const TokenId id : ids) require(id >= 0 && id < tokenizer.vocab_size(), "token {}", id);
  if (tokenizer.type() == "none") return;  // spaces between ids are free
  require(must([&] { return tokenizer.decode(ids); }) == text, "decoded to another text");
}

/// The same for texts of several kinds, each token of the vocabulary, and the tokenizer that its tokenizer.json
/// describes.
inline void require_sound(const Tokenizer& tokenizer, std::string_view text) {
  constexpr std::string_view kText = "The cat's 12345 hats,\r\n\n  caf\xC3\xA9 \xE4\xB8\xAD\xFF <|endoftext|>!";
  for (const SpecialTokens special : {SpecialTokens::as_text, SpecialTokens::allow}) {
    require_round_trip(tokenizer, kText, special);
    require_round_trip(tokenizer, text, special);
  }
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    require(!must([&] { return tokenizer.token_bytes(id); }).empty(), "token {} has no bytes", id);
  }
  const std::string json = format_tokenizer_json(tokenizer);
  const auto again = must([&] { return read_tokenizer_json(json, "again"); });
  require(format_tokenizer_json(*again) == json && again->type() == tokenizer.type(), "another tokenizer.json");
  require(again->special_tokens() == tokenizer.special_tokens(), "other special tokens");
}

}  // namespace kiln::fuzz
