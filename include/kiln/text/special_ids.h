// Which tokens begin and end a text: one rule for training, sampling and export.
#pragma once

#include "kiln/text/tokenizer.h"

#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// The tokens that stand around the text of one document; a prompt has no end.
struct DocumentMarks {
  std::optional<TokenId> start;
  std::optional<TokenId> end;
  bool operator==(const DocumentMarks&) const = default;
};

/// The tokens of a model that mark where texts begin and end.
struct SpecialIds {
  std::optional<TokenId> start = std::nullopt;  // written before each document and each prompt
  std::optional<TokenId> begin = std::nullopt;  // an empty prompt begins after it; exported as bos_token_id
  std::vector<TokenId> ends = {};               // each ends a sample; exported as eos_token_id
  std::optional<TokenId> end = std::nullopt;    // written after each document where there are several: the first end

  DocumentMarks marks() const { return {start, end}; }
  bool operator==(const SpecialIds&) const = default;
};

/// What the files of a model say of these tokens. Empty where they say nothing.
struct NamedTokens {
  std::optional<TokenId> begin = std::nullopt;  // bos_token_id
  std::vector<TokenId> ends = {};               // eos_token_id of config.json, one or several
  std::vector<TokenId> further_ends = {};       // that of generation_config.json, which ends samples too
  std::string begin_text = {};                  // bos_token of tokenizer_config.json
  std::string end_text = {};                    // eos_token
  bool begins_documents = false;                // add_bos_token
};

/// Applies the rule:
/// - a document ends with the config's end_of_text; where that is null, with the model's own end (of several in
///   config.json, else in generation_config.json, the one that end_text names, else the first); where the model names
///   none, with <|endoftext|> if the tokenizer has it;
/// - a document begins with the config's start_of_text; where that is null, with the model's own begin if it
///   begins_documents, else with <|start|> if the tokenizer has it;
/// - a sample ends with that end and with every other end that the model names.
/// Ids outside the vocabulary are ignored. Throws Error (usage) where the config names a token that the tokenizer
/// lacks.
SpecialIds special_ids(const Tokenizer& tokenizer, const TokenizerConfig& config, const NamedTokens& named = {});

/// The config with start_of_text and end_of_text as `ids` have them, "" for none, so that a run keeps its rule.
TokenizerConfig with_names(TokenizerConfig config, const Tokenizer& tokenizer, const SpecialIds& ids);

/// "documents begin with <|start|> (id 256) and end with <|endoftext|> (id 257)"; empty where `marks` are.
std::string describe(const DocumentMarks& marks, const Tokenizer& tokenizer);

}  // namespace kiln
