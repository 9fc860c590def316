// Reads and writes tokenizer files: Hugging Face's tokenizer.json, and GPT-2's vocab.json with merges.txt.
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
inline constexpr const char* kTokenizerConfigFile = "tokenizer_config.json";
inline constexpr const char* kChatTemplateFile = "chat_template.jinja";

/// Returns true if a folder has a tokenizer's files: tokenizer.json or vocab.json.
bool has_tokenizer(const std::filesystem::path& folder);

/// Loads a tokenizer.json, a folder that holds one (a checkpoint), or a folder with vocab.json and merges.txt. Throws
/// Error (usage) if `path` is none of these, (bad_input) if a file of the folder is a link that leads out of it or the
/// files beside its tokenizer.json give a token another id, and as the readers below do.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path);

/// Reads the text of a tokenizer.json: byte-level BPE with one of kSplitPatterns, or what to_json writes for char, byte
/// and none. `source` names the file in messages. Throws Error (bad_input) for an unsupported part that would change
/// the ids, by name; for a vocabulary with duplicate, negative or missing ids; and for merges of unknown tokens.
std::unique_ptr<Tokenizer> read_tokenizer_json(std::string_view text, std::string_view source);

/// Reads GPT-2's two files: vocab.json {token: id}, and merges.txt, one line "left right" per merge, in order. Special
/// and added tokens are those named by the files beside vocab.json (tokenizer_config.json, added_tokens.json,
/// special_tokens_map.json), and "<|endoftext|>" if the vocabulary has it. Throws Error (bad_input) with the file, and
/// for merges.txt with the line.
std::unique_ptr<Tokenizer> read_vocab_and_merges(const std::filesystem::path& vocab,
                                                 const std::filesystem::path& merges);

/// Returns a special token's text from Hugging Face's JSON: a string, or an object's "content"; "" for anything else.
std::string special_token_text(const Json& token);

/// Returns the text of the tokenizer's tokenizer.json.
std::string format_tokenizer_json(const Tokenizer& tokenizer);

/// Returns the tokenizer_config.json of a Hugging Face folder: class, maximum length in tokens (n_ctx), and the special
/// tokens by role.
Json tokenizer_config_json(const Tokenizer& tokenizer, std::int64_t max_length, const SpecialIds& ids);

}  // namespace kiln
