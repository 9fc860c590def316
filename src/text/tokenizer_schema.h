// Builds the parts of Hugging Face's tokenizer.json that the tokenizers share.
#pragma once

#include "kiln/core/json.h"
#include "kiln/text/tokenizer.h"

#include <nlohmann/json.hpp>

#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace kiln {

/// Appends a member whose key must be new. Avoids operator[]'s linear search.
inline void append_member(Json& object, std::string key, Json value) {
  object.get_ref<Json::object_t&>().emplace_back(std::move(key), std::move(value));
}

/// Returns a ByteLevel pre-tokenizer or decoder; `use_regex`: splits by GPT-2's pattern.
inline Json byte_level_json(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

/// Returns a Split pre-tokenizer whose pieces are the matches of a regular expression.
inline Json split_json(std::string_view regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}

inline Json bpe_model_json(Json vocab, Json merges) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

/// Returns the whole file around a model.
inline Json tokenizer_document(std::span<const SpecialToken> special_tokens, Json pre_tokenizer, Json decoder,
                               Json model) {
  Json added = Json::array();
  for (const SpecialToken& token : special_tokens) {
    added.push_back({{"id", token.id},
                     {"content", token.content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", token.normalized},
                     {"special", !token.in_any_text}});
  }
  return {{"version", "1.0"},          {"truncation", nullptr},
          {"padding", nullptr},        {"added_tokens", std::move(added)},
          {"normalizer", nullptr},     {"pre_tokenizer", std::move(pre_tokenizer)},
          {"post_processor", nullptr}, {"decoder", std::move(decoder)},
          {"model", std::move(model)}};
}

}  // namespace kiln
