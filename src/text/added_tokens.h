// The tokens that files beside vocab.json and merges.txt add to them, as transformers reads these files.
#pragma once

#include "kiln/core/json.h"
#include "kiln/text/tokenizer.h"

#include <filesystem>
#include <vector>

namespace kiln {

/// Returns the special and the added tokens of a folder by id:
/// - "<|endoftext|>" where the vocabulary has it, and every token that a role of tokenizer_config.json or
///   special_tokens_map.json names (bos_token, pad_token, additional_special_tokens, ...): special ones;
/// - those of added_tokens_decoder in tokenizer_config.json, or without it of added_tokens.json. One that no role names
///   is found in any text.
/// `vocab` is vocab.json's {token: id}. Throws Error (bad_input) that names file and token where one has no id or two,
/// or would change the ids in a way that kiln does not compute (lstrip, rstrip, single_word, add_prefix_space).
std::vector<SpecialToken> read_added_tokens(const std::filesystem::path& folder, const Json& vocab);

}  // namespace kiln
