// Tokenizers as files: Hugging Face's tokenizer.json, and GPT-2's vocab.json with merges.txt.
#pragma once

#include "kiln/core/json.h"
#include "kiln/text/special_ids.h"
#include "kiln/text/tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace kiln {

inline constexpr const char* kTokenizerFile = "tokenizer.json";

/// The tokenizer of a tokenizer.json, of a folder that holds one (a checkpoint), or of a folder with vocab.json and
/// merges.txt. Throws Error (usage) where `path` is none of these, (bad_input) where a file of the folder is a link
/// that leads out of it, and what the readers below throw.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path);

/// The tokenizer that the text of a tokenizer.json describes: byte-level BPE cut by one of kSplitPatterns, or
/// what to_json writes for char, byte and none. `source` names the file in messages.
/// Throws Error (bad_input) for a part that is not understood, by name: ids would silently differ without it; and for a
/// vocabulary with double, negative or missing ids, or merges of tokens that are not in it.
std::unique_ptr<Tokenizer> read_tokenizer_json(std::string_view text, std::string_view source);

/// GPT-2's two files: vocab.json {token: id}, and merges.txt, a line "left right" for each merge in their order.
/// Special and added tokens are those that the files beside vocab.json name (tokenizer_config.json, added_tokens.json,
/// special_tokens_map.json), and "<|endoftext|>" where the vocabulary has it. Throws Error (bad_input) with the file,
/// and for merges.txt with the line.
std::unique_ptr<Tokenizer> read_vocab_and_merges(const std::filesystem::path& vocab,
                                                 const std::filesystem::path& merges);

/// Returns the text of a special token as Hugging Face's files name it: a string, or an object with "content". Returns
/// "" for any other JSON.
std::string special_token_text(const Json& token);

/// The text of the tokenizer's tokenizer.json.
std::string format_tokenizer_json(const Tokenizer& tokenizer);

/// Returns the tokenizer_config.json that goes beside it in a Hugging Face folder: class, the longest text in tokens
/// (n_ctx), and the special tokens by role.
Json tokenizer_config_json(const Tokenizer& tokenizer, std::int64_t max_length, const SpecialIds& ids);

}  // namespace kiln
