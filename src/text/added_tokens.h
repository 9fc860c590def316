// Reads the tokens that files beside vocab.json and merges.txt, or beside tokenizer.json, add, as transformers does.
#pragma once

#include "kiln/core/json.h"

#include "text/vocabulary.h"
#include <filesystem>
#include <vector>

namespace kiln {

/// Returns the special and the added tokens of a folder:
/// - special tokens: "<|endoftext|>" if the vocabulary has it, and every token with a role in tokenizer_config.json or
///   special_tokens_map.json (bos_token, pad_token, additional_special_tokens, ...);
/// - added tokens: those of added_tokens_decoder in tokenizer_config.json, or else of added_tokens.json. They are found
///   in any text unless their "special" is true (in the former) or they have a role (in the latter).
/// `vocab` is vocab.json's {token: id}. Throws Error (bad_input) with file and token if a token has no id or two, or
/// would change the ids in an unsupported way (lstrip, rstrip, single_word, add_prefix_space).
std::vector<AddedToken> read_added_tokens(const std::filesystem::path& folder, const Json& vocab);

/// Returns the tokens that added_tokens_decoder in tokenizer_config.json, or else added_tokens.json, names beside a
/// tokenizer.json. transformers adds those which that file lacks. Throws as read_added_tokens does.
std::vector<AddedToken> read_tokens_beside(const std::filesystem::path& folder);

}  // namespace kiln
