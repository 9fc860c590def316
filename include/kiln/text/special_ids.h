// Determines which tokens begin and end a text, by one rule for training, sampling and export.
#pragma once

#include "kiln/text/tokenizer.h"

#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// The tokens around the text of one document; a prompt has no end.
struct DocumentMarks {
  std::optional<TokenId> start;
  std::optional<TokenId> end;
  bool operator==(const DocumentMarks&) const = default;
};

/// A model's tokens that mark where texts begin and end.
struct SpecialIds {
  std::optional<TokenId> start = std::nullopt;    // written before each document and each prompt
  std::optional<TokenId> begin = std::nullopt;    // starts an empty prompt; exported as bos_token_id
  std::vector<TokenId> ends = {};                 // each ends a sample; exported as eos_token_id
  std::optional<TokenId> end = std::nullopt;      // written after each of several documents: the first of `ends`
  std::optional<TokenId> padding = std::nullopt;  // of a reward model (padding_id); exported as pad_token_id

  DocumentMarks marks() const { return {start, end}; }
  bool operator==(const SpecialIds&) const = default;
};

/// What a model's files say about these tokens; empty if they say nothing.
struct NamedTokens {
  std::optional<TokenId> begin = std::nullopt;  // bos_token_id
  std::vector<TokenId> ends = {};               // eos_token_id of config.json, one or several
  std::vector<TokenId> further_ends = {};       // eos_token_id of generation_config.json, which also ends samples
  std::string begin_text = {};                  // bos_token of tokenizer_config.json
  std::string end_text = {};                    // eos_token
  bool begins_documents = false;                // add_bos_token
};

/// Applies the rule:
/// - a document ends with the config's end_of_text; if that is null, with the model's own end (of several in
///   config.json, or else in generation_config.json, the one named by end_text, or else the first); if the model names
///   none, with <|endoftext|> if the tokenizer has it;
/// - a document begins with the config's start_of_text; if that is null, with the model's own begin if
///   begins_documents, or else with <|start|> if the tokenizer has it;
/// - a sample ends with that end and with every other end that the model names.
/// Ignores ids outside the vocabulary. Throws Error (usage) if the config names a token that the tokenizer lacks.
SpecialIds special_ids(const Tokenizer& tokenizer, const TokenizerConfig& config, const NamedTokens& named = {});

/// Returns a token for the padding of a batch of texts, which must occur in none of them; none if every token may. In
/// this order: a special token named for padding; any other special token that marks nothing (`ids`), that
/// encode_document does not insert and that the chat template does not contain; the token of byte 0xFF, which no UTF-8
/// text has.
std::optional<TokenId> padding_id(const Tokenizer& tokenizer, const SpecialIds& ids, std::string_view chat_template);

/// Returns the config with start_of_text and end_of_text set to the tokens of `ids`, "" for none, so that a resumed run
/// uses the same tokens.
TokenizerConfig with_names(TokenizerConfig config, const Tokenizer& tokenizer, const SpecialIds& ids);

/// Returns "documents begin with <|start|> (id 256) and end with <|endoftext|> (id 257)"; empty if both marks are.
std::string describe(const DocumentMarks& marks, const Tokenizer& tokenizer);

}  // namespace kiln
