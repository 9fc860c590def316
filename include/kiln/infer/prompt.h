// What a user typed, as the tokens that a model goes on from.
#pragma once

#include "kiln/text/special_ids.h"
#include "kiln/text/tokenizer.h"

#include <string_view>
#include <vector>

namespace kiln {

/// Returns the tokens of a prompt, at least one. Special tokens with a role in documents are inserted as in training
/// (document.h), and special tokens written in the text are text. With SpecialTokens::allow it is the other way round:
/// those written in the text are special tokens, and none is inserted.
///
/// An empty prompt becomes the one token that a text begins after: ids.start, else ids.begin, else the token of a line
/// feed, else token 0. Throws Error (usage) as Tokenizer::encode does.
std::vector<TokenId> encode_prompt(const Tokenizer& tokenizer, const SpecialIds& ids, std::string_view text,
                                   SpecialTokens special = SpecialTokens::as_text);

}  // namespace kiln
