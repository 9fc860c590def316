// Encodes a prompt as the tokens that a model continues.
#pragma once

#include "kiln/text/special_ids.h"
#include "kiln/text/tokenizer.h"

#include <string_view>
#include <vector>

namespace kiln {

/// Returns the tokens of a prompt, at least one. Inserts special tokens as at the beginning of a document in training
/// (document.h), and encodes special tokens written in the text as text. With SpecialTokens::allow, encodes those as
/// special tokens, and inserts none.
///
/// An empty prompt becomes one token: ids.start, else ids.begin, else the token of a line feed, else token 0.
/// Throws Error (usage) as Tokenizer::encode does.
std::vector<TokenId> encode_prompt(const Tokenizer& tokenizer, const SpecialIds& ids, std::string_view text,
                                   SpecialTokens special = SpecialTokens::as_text);

}  // namespace kiln
