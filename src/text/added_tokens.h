// Reads the tokens that files beside vocab.json and merges.txt add, as transformers does.
#pragma once

#include "kiln/core/json.h"
#include "kiln/text/tokenizer.h"

#include <filesystem>
#include <vector>

namespace kiln {

/// Returns the special and the added tokens of a folder, sorted by id:
/// - special tokens: "<|endoftext|>" if the vocabulary has it, and every token with a role in tokenizer_config.json or
///   special_tokens_map.json (bos_token, pad_token, additional_special_tokens, ...);
/// - added tokens: those of added_tokens_decoder in tokenizer_config.json, or else of added_tokens.json. They are found
///   in any text unless their "special" is true (in the former) or they have a role (in the latter).
/// `vocab` is vocab.json's {token: id}. Throws Error (bad_input) with file and token if a token has no id or two, or
/// would change the ids in an unsupported way (lstrip, rstrip, single_word, add_prefix_space).
std::vector<SpecialToken> read_added_tokens(const std::filesystem::path& folder, const Json& vocab);

}  // namespace kiln
